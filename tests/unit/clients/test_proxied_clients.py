"""Every client uses the proxy, except where NO_PROXY excludes the host."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from aiohttp import web

from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import NAMESPACE
from bot.cluster.routing.gateway import HttpGateway
from bot.embedded.github import GitHubServer
from bot.embedded.kubernetes import KubernetesServer
from bot.github.app import GitHubApp
from bot.model.errors import Rejected, Unavailable
from bot.registry.client import RegistryClient
from bot.settings import Domain
from tests.kubernetes.certificates import Authority
from tests.unit.clients.proxy_server import ForwardProxy, forward_proxy

DIGEST = f"sha256:{'ab' * 32}"


@asynccontextmanager
async def _serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server whose every response fits a registry and a preview; yields its port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Docker-Content-Digest": DIGEST})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    yield int(site.name.rpartition(":")[2])
    await runner.cleanup()


def _tls(authority: Authority, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("server", host))
    return context


def _proxies(proxy: ForwardProxy, no_proxy: str = "") -> Proxies:
    return Proxies.from_environment({"ALL_PROXY": proxy.url, "NO_PROXY": no_proxy})


async def test_github_is_reached_through_the_proxy() -> None:
    with GitHubServer() as server:
        port = int(server.api_url.split(":")[2].split("/")[0])
        host = f"github.example.com:{port}"
        async with forward_proxy({host: port}, login="user:canary") as proxy:
            for chosen, reached in ((_proxies(proxy), True), (_proxies(proxy, "example.com"), False)):
                app = GitHubApp(
                    api_url=server.api_url.replace(f"127.0.0.1:{port}", host),
                    app_id=server.credentials.app_id,
                    private_key=server.credentials.private_key,
                    public_url="https://greenroom.example.com",
                    proxies=chosen,
                )
                try:
                    if reached:
                        assert await app.installations.list_all() == []
                    else:
                        with pytest.raises(Unavailable, match="cannot be reached"):
                            await app.installations.list_all()
                finally:
                    await app.close()
            assert [request.split("?")[0] for request in proxy.requests] == [
                f"GET {server.api_url.replace(f'127.0.0.1:{port}', host)}/app/installations"
            ]


async def test_api_server_in_an_excluded_network_is_reached_directly(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    async with KubernetesServer() as server:
        port = int(server.url.rpartition(":")[2])
        async with forward_proxy({f"10.96.0.1:{port}": port}) as proxy:
            for chosen, calls in ((_proxies(proxy), 1), (_proxies(proxy, "10.0.0.0/8"), 0)):
                content = yaml.safe_load(yaml.safe_dump(server.kubeconfig()))
                cluster = content["clusters"][0]["cluster"]
                cluster["server"] = cluster["server"].replace("127.0.0.1", "10.96.0.1")
                path.write_text(yaml.safe_dump(content))
                proxy.requests.clear()
                async with await connect(path, proxies=chosen) as api:
                    if calls:
                        assert (await api.list(NAMESPACE)).items
                    else:
                        with pytest.raises((Unavailable, TimeoutError)):
                            async with asyncio.timeout(1):
                                await api.list(NAMESPACE)
                assert len(proxy.requests) == calls


async def test_proxy_of_the_kubeconfig_has_priority(tmp_path: Path) -> None:
    async with KubernetesServer() as server:
        port = int(server.url.rpartition(":")[2])
        async with forward_proxy({f"10.96.0.1:{port}": port}) as proxy:
            content = yaml.safe_load(yaml.safe_dump(server.kubeconfig()))
            cluster = content["clusters"][0]["cluster"]
            cluster["server"] = cluster["server"].replace("127.0.0.1", "10.96.0.1")
            cluster["proxy-url"] = proxy.url
            (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))
            elsewhere = Proxies.from_environment({"ALL_PROXY": "http://127.0.0.1:9"})
            async with await connect(tmp_path / "kubeconfig", proxies=elsewhere) as api:
                assert (await api.list(NAMESPACE)).items


async def test_registry_is_reached_through_the_proxy_by_name(tmp_path: Path) -> None:
    """The proxy resolves names that this machine cannot resolve."""
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    async with (
        _serving(_tls(authority, "registry.example.com")) as port,
        forward_proxy({"registry.example.com:443": port}) as proxy,
        RegistryClient(resolver=_unresolved, verify=trust, proxies=_proxies(proxy)) as registry,
    ):
        assert await registry.resolve("registry.example.com/shop", "a") == DIGEST
        assert proxy.requests == ["CONNECT registry.example.com:443"]
        for internal in ("registry.default.svc/shop", "metadata.google.internal/shop"):
            with pytest.raises(Rejected, match="not allowed"):
                await registry.resolve(internal, "a")
        with pytest.raises(Unavailable, match="the proxy answered 502"):
            await registry.resolve("other.example.com/shop", "a")
        assert len(proxy.requests) == 2


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1"])
async def test_proxy_does_not_lead_to_an_internal_address(address: str) -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return [address]

    async with (
        forward_proxy({}) as proxy,
        RegistryClient(resolver=resolver, proxies=_proxies(proxy)) as registry,
    ):
        with pytest.raises(Rejected, match="not allowed"):
            await registry.resolve("registry.example.com/shop", "a")
        assert proxy.requests == []


async def test_excluded_registry_is_reached_directly() -> None:
    async with (
        forward_proxy({}) as proxy,
        RegistryClient(
            allowed_hosts=["registry.example.com"],
            resolver=_refused,
            proxies=_proxies(proxy, ".example.com"),
        ) as registry,
    ):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await registry.resolve("registry.example.com/shop", "a")
        assert proxy.requests == []


async def test_gateway_is_reached_through_the_proxy(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    domain = Domain("https", "preview.example.com", None)
    trusted = str(authority.certificate)
    async with (
        _serving(_tls(authority, "*.preview.example.com")) as port,
        forward_proxy({"pr-7.preview.example.com:443": port}) as proxy,
    ):
        async with HttpGateway(domain, None, trusted, _proxies(proxy)) as gateway:
            assert (await gateway.get("pr-7.preview.example.com", "/")).status == 200
        assert proxy.requests == ["CONNECT pr-7.preview.example.com:443"]
        async with HttpGateway(domain, f"127.0.0.1:{port}", trusted, _proxies(proxy)) as gateway:
            assert (await gateway.get("pr-7.preview.example.com", "/")).status == 200
        assert len(proxy.requests) == 1, "a gateway with an address is reached directly"


async def test_wrong_proxy_password_is_reported(tmp_path: Path) -> None:
    async with forward_proxy({}, login="user:right") as proxy:
        proxies = Proxies.from_environment({"ALL_PROXY": proxy.url.replace("right", "canary")})
        async with RegistryClient(resolver=_unresolved, proxies=proxies) as registry:
            with pytest.raises(Unavailable, match="the proxy answered 407") as caught:
                await registry.resolve("registry.example.com/shop", "a")
        assert "canary" not in str(caught.value)


async def test_plain_requests_name_the_whole_url() -> None:
    async with _serving() as port, forward_proxy({"checks.example.com:80": port}) as proxy:
        transport = ProxyTransport(_proxies(proxy))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://checks.example.com/a?b=c")).status_code == 200
        assert proxy.requests == ["GET http://checks.example.com/a?b=c"]


async def _unresolved(host: str, port: int) -> Sequence[str]:
    raise OSError("no such name")


async def _refused(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]
