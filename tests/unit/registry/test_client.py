"""Resolution of tags by the embedded registry and by faulty registries."""

from __future__ import annotations

import gc
import gzip
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.embedded import samples
from bot.embedded.registry import Builder, RegistryServer
from bot.embedded.registry.faults import Fault
from bot.embedded.registry.layout import Layout
from bot.model.errors import Rejected, Unavailable
from bot.registry import client as client_module
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credential, Credentials, DockerConfig, IdentityToken, Login
from bot.registry.manifests import parse_manifest
from bot.registry.transport import MAX_BODY

DIGEST = f"sha256:{'ab' * 32}"
ROBOT = Login("robot", "canary")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def client_on_loopback(auths: Mapping[str, Credential] | None = None) -> RegistryClient:
    """A client whose operator allows registries on this machine."""
    return RegistryClient(Credentials(DockerConfig(auths or {})), ["127.0.0.1"])


@pytest.fixture
async def client() -> AsyncIterator[RegistryClient]:
    async with client_on_loopback() as client:
        yield client


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with RegistryServer(tmp_path) as server:
        yield server


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A registry that gives this answer to everything; yields its host."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name.removeprefix("http://")
    await runner.cleanup()


async def test_resolve_returns_the_digest_of_a_tag(
    registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    image = f"{registry.host}/acme/shop"
    assert await client.resolve(image, "abc") is None
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    assert await client.resolve(image, "abc") == digest
    assert await client.resolve(image, "other") is None


async def test_image_exists_until_it_is_deleted(
    registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    image = f"{registry.host}/acme/shop"
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    for reference in (f"{image}:abc", f"{image}@{digest}", f"{image}:abc@{digest}"):
        assert await client.exists(reference)
    for reference in (image, f"{image}:other", f"{image}@sha256:{'0' * 64}"):
        assert not await client.exists(reference)


async def test_token_is_cached_until_revoked(
    registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    for _ in range(5):
        await client.resolve(f"{registry.host}/acme/shop", "abc")
    assert registry.tokens.issued == 1
    registry.tokens.expire_all()
    assert await client.resolve(f"{registry.host}/acme/shop", "abc")
    assert registry.tokens.issued == 2


async def test_short_lived_token_is_not_cached(tmp_path: Path) -> None:
    await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    async with RegistryServer(tmp_path, token_seconds=5) as registry, client_on_loopback() as client:
        for _ in range(2):
            assert await client.resolve(f"{registry.host}/acme/shop", "abc")
        assert registry.tokens.issued == 2


async def test_resolve_returns_the_digest_of_an_index(
    registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    built = await Builder(tmp_path).build(
        "acme/shop", "abc", samples.shop_files(), ("linux/amd64", "linux/arm64")
    )
    assert await client.resolve(f"{registry.host}/acme/shop", "abc") == built


async def test_digests_name_index_platforms_and_configurations(
    registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    platforms = ("linux/amd64", "linux/arm64")
    index = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files(), platforms)

    def blob(digest: str) -> Any:
        path = Layout(tmp_path, "acme/shop").blob(digest)
        assert path is not None
        return json.loads(path.read_bytes())

    children = [entry["digest"] for entry in blob(index)["manifests"]]
    configurations = [blob(child)["config"]["digest"] for child in children]
    expected = {index, *children, *configurations}
    assert len(expected) == 5
    image = f"{registry.host}/acme/shop"
    assert await client.digests(image, index) == expected
    assert await client.digests(image, children[0]) == {children[0], configurations[0]}
    with pytest.raises(Unavailable, match="has no manifest"):
        await client.digests(image, DIGEST)


async def test_credentials_give_access_to_a_private_registry(tmp_path: Path) -> None:
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    async with RegistryServer(tmp_path, users={"robot": "canary"}) as registry:
        image = f"{registry.host}/acme/shop"
        async with client_on_loopback() as anonymous:
            with pytest.raises(Unavailable, match="configure registry credentials"):
                await anonymous.resolve(image, "abc")
        async with client_on_loopback({registry.host: ROBOT}) as authenticated:
            assert await authenticated.resolve(image, "abc") == digest


async def test_identity_token_is_exchanged_by_post(tmp_path: Path) -> None:
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    async with RegistryServer(tmp_path, users={"robot": "x"}, identity_tokens=["canary"]) as registry:
        image = f"{registry.host}/acme/shop"
        async with client_on_loopback({registry.host: IdentityToken("canary")}) as client:
            for _ in range(3):
                assert await client.resolve(image, "abc") == digest
        assert registry.tokens.issued == 1
        assert ("POST", "/token", 200) in registry.requests
        async with client_on_loopback({registry.host: IdentityToken("expired")}) as client:
            with pytest.raises(Unavailable, match="denies") as caught:
                await client.resolve(image, "abc")
        assert "expired" not in str(caught.value)


async def test_token_request_with_a_secret_is_not_redirected() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        if request.path == "/token":
            return web.Response(status=307, headers={"Location": f"http://{request.host}/elsewhere"})
        realm = f'Bearer realm="http://{request.host}/token"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with answering(answer) as host, client_on_loopback({host: IdentityToken("canary")}) as client:
        with pytest.raises(Rejected, match="redirects a request for a token"):
            await client.resolve(f"{host}/shop", "a")
    assert "/elsewhere" not in seen


async def test_repositories_of_one_registry_use_their_own_credentials() -> None:
    """The entry with the longest path applies, for the token and for nothing else."""
    logins: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        if request.path == "/token":
            logins.append((request.query["scope"], authorization))
            return web.json_response({"token": f"for-{len(logins)}"})
        if authorization:
            return web.Response(headers={"Docker-Content-Digest": DIGEST})
        realm = f'Bearer realm="http://{request.host}/token"'  # the same challenge for each repository
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with answering(answer) as host:
        acme, other = Login("acme", "canary"), Login("other", "canary")
        auths = {f"{host}/acme": acme, f"{host}/acme/private": other}
        async with client_on_loopback(auths) as client:
            for image in ("acme/shop", "acme/private/shop", "acmeshop/shop"):
                await client.resolve(f"{host}/{image}", "a")
    assert logins == [
        ("repository:acme/shop:pull", acme.header),
        ("repository:acme/private/shop:pull", other.header),
        ("repository:acmeshop/shop:pull", ""),
    ]


async def test_rotated_credentials_are_read_again(tmp_path: Path) -> None:
    digest = await Builder(tmp_path / "images").build("acme/shop", "abc", samples.shop_files())
    users = {"robot": "second"}
    async with RegistryServer(tmp_path / "images", users=users, token_seconds=1) as registry:
        file = tmp_path / "config.json"

        def write(password: str) -> None:
            login = {"username": "robot", "password": password}
            replacement = tmp_path / "new.json"
            replacement.write_text(json.dumps({"auths": {registry.host: login}}))
            replacement.replace(file)

        write("first!")
        async with RegistryClient(Credentials.from_file(file), ["127.0.0.1"]) as client:
            with pytest.raises(Unavailable, match="denies"):
                await client.resolve(f"{registry.host}/acme/shop", "abc")
            write("second")
            assert await client.resolve(f"{registry.host}/acme/shop", "abc") == digest
            file.write_text("{")
            with pytest.raises(Unavailable, match="GREENROOM_REGISTRY_CREDENTIALS is invalid"):
                await client.resolve(f"{registry.host}/acme/shop", "abc")


async def test_basic_authentication_without_tokens() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Basic cm9ib3Q6Y2FuYXJ5":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return web.Response(headers={"Docker-Content-Digest": DIGEST})

    async with answering(answer) as host:
        async with client_on_loopback() as anonymous:
            with pytest.raises(Unavailable, match="configure registry credentials"):
                await anonymous.resolve(f"{host}/shop", "a")
        async with client_on_loopback({host: ROBOT}) as authenticated:
            assert await authenticated.resolve(f"{host}/shop", "a") == DIGEST


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_outage_is_retried_after_retry_after(
    registry: RegistryServer, client: RegistryClient, status: int
) -> None:
    registry.faults.active.append(outage(status))
    with pytest.raises(Unavailable, match=str(status)) as caught:
        await client.resolve(f"{registry.host}/acme/shop", "abc")
    assert caught.value.retry_at
    assert timedelta(seconds=5) < caught.value.retry_at - datetime.now(UTC) < timedelta(seconds=31)


def outage(status: int) -> Fault:
    return Fault(path="/v2/", status=status, retry_after="30")


async def test_unreachable_registry_is_unavailable(client: RegistryClient) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await client.resolve("127.0.0.1:1/acme/shop", "abc")
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await client.resolve("registry.invalid/acme/shop", "abc")


async def test_hanging_registry_times_out(
    registry: RegistryServer, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "DEADLINE", 0.1)
    registry.faults.active.append(Fault(delay=5))
    with pytest.raises(Unavailable, match="did not answer within"):
        await client.resolve(f"{registry.host}/acme/shop", "abc")


@pytest.mark.parametrize(
    ("image", "tag", "message"),
    [
        ("Acme/Shop", "a", "invalid image reference"),
        ("acme/shop:1", "a", "must not have a tag or digest"),
        ("acme/shop", "a/../b", "is not a valid tag"),
    ],
)
async def test_invalid_image_or_tag_is_rejected(
    client: RegistryClient, image: str, tag: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        await client.resolve(image, tag)


async def test_missing_digest_header_is_computed_from_the_body(client: RegistryClient) -> None:
    body = b'{"schemaVersion": 2}'

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with answering(answer) as host:
        assert await client.resolve(f"{host}/shop", "a") == f"sha256:{hashlib.sha256(body).hexdigest()}"


async def test_body_with_wrong_digest_is_rejected(client: RegistryClient) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=405)
        return web.Response(body=b"{}", headers={"Docker-Content-Digest": DIGEST})

    async with answering(answer) as host:
        with pytest.raises(Unavailable, match="no digest"):
            await client.resolve(f"{host}/shop", "a")


@pytest.mark.parametrize("digest", ["sha256:12", "latest", f"{DIGEST}\tx"])
async def test_invalid_digest_header_is_rejected(client: RegistryClient, digest: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(headers={"Docker-Content-Digest": digest})

    async with answering(answer) as host:
        with pytest.raises(Unavailable, match="no digest"):
            await client.resolve(f"{host}/shop", "a")


async def test_response_size_is_limited(client: RegistryClient) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=405 if request.method == "HEAD" else 200)
        await response.prepare(request)
        while request.method == "GET":
            await response.write(b" " * 65536)
        return response

    async with answering(answer) as host:
        with pytest.raises(Rejected, match="more than"):
            await client.resolve(f"{host}/shop", "a")


async def test_compressed_response_is_not_unpacked(client: RegistryClient) -> None:
    body, headers = gzip.compress(b" " * 2**25), {"Content-Encoding": "gzip"}

    async def answer(request: web.Request) -> web.Response:
        is_head = request.method == "HEAD"
        return web.Response(status=405) if is_head else web.Response(body=body, headers=headers)

    async with answering(answer) as host:
        with pytest.raises(Rejected, match="encoding that was not accepted"):
            await client.resolve(f"{host}/shop", "a")


@pytest.mark.parametrize("piece", ["[],", "{},", "1,", f'{{"digest":"{DIGEST}"}},'])
def test_largest_manifest_takes_little_time(piece: str) -> None:
    content = piece * (MAX_BODY // len(piece) - 10)
    body = f'{{"manifests":[{content[:-1]}]}}'.encode()
    gc.collect()
    gc.freeze()  # excludes the objects of the tests
    started = time.thread_time()
    with suppress(Unavailable):
        parse_manifest(body)
    seconds = time.thread_time() - started
    gc.unfreeze()
    assert seconds < 0.05


@pytest.mark.parametrize(
    ("realm", "message"),
    [
        ("http://169.254.169.254/latest/meta-data", "in a private network"),
        ("https://10.96.0.1/api/v1/secrets", "in a private network"),
        ("ftp://127.0.0.1/token", "without https"),
        ("file:///etc/passwd", "without https"),
        ("https://name:password@127.0.0.1/", "without https"),
        ("//", "without https"),
        ("https://a:b/", "invalid URL"),
    ],
)
async def test_realm_in_a_private_network_is_rejected(
    client: RegistryClient, realm: str, message: str
) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=401, headers=challenge)

    async with answering(answer) as host:
        with pytest.raises(Rejected, match=message):
            await client.resolve(f"{host}/shop", "a")


@pytest.mark.parametrize(
    "addresses",
    ["127.0.0.1", "10.0.0.1", "fd00::1", "169.254.169.254", "93.184.216.34 169.254.169.254"],
)
async def test_registry_that_the_operator_does_not_list_must_be_public(addresses: str) -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses.split()

    async with RegistryClient(resolver=resolver) as client:
        for registry in ("registry.example", "localhost:5000", "127.0.0.1:5000"):
            with pytest.raises(Rejected, match="has an address that is not allowed"):
                await client.resolve(f"{registry}/shop", "a")


async def test_allowed_host_can_have_any_address(registry: RegistryServer) -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    host = f"registry.example:{registry.host.rpartition(':')[2]}"
    async with RegistryClient(allowed_hosts=[host], resolver=resolver) as client:
        with pytest.raises(Unavailable, match="cannot be reached"):  # the server answers without TLS
            await client.resolve(f"{host}/acme/shop", "a")


async def test_redirects_drop_the_token_and_are_checked() -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.host, request.headers.get("Authorization", "")))
        if request.path == "/elsewhere":
            return web.Response(headers={"Docker-Content-Digest": DIGEST})
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
        target = f"http://localhost:{request.host.rpartition(':')[2]}/elsewhere"
        return web.Response(status=307, headers={"Location": target})

    async with answering(answer) as host, client_on_loopback({host: ROBOT}) as client:
        assert await client.resolve(f"{host}/shop", "a") == DIGEST
    assert seen[-1][0].startswith("localhost:")
    assert [authorization for _, authorization in seen] == ["", ROBOT.header, ""]


@pytest.mark.parametrize(
    ("location", "message"),
    [("https://ghcr.io/", "redirects to https"), ("/again", "more than 3"), ("http://10.0.0.1/", "private")],
)
async def test_invalid_redirects_are_rejected(client: RegistryClient, location: str, message: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with answering(answer) as host:
        with pytest.raises(Rejected, match=message):
            await client.resolve(f"{host}/shop", "a")


async def test_token_is_not_sent_to_another_registry(tmp_path: Path) -> None:
    """A hostile registry names the realm of another one for which the bot has a token."""
    shown: list[str] = []
    async with RegistryServer(tmp_path, users={"robot": "canary"}) as good:
        await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
        scope = "repository:acme/shop:pull"

        async def answer(request: web.Request) -> web.Response:
            shown.append(request.headers.get("Authorization", ""))
            challenge = f'Bearer realm="{good.url}/token",service="{good.host}",scope="{scope}"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})

        async with answering(answer) as hostile, client_on_loopback({good.host: ROBOT}) as client:
            assert await client.resolve(f"{good.host}/acme/shop", "abc")
            with pytest.raises(Unavailable):
                await client.resolve(f"{hostile}/acme/shop", "abc")
    assert shown == [""]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb"}'])
async def test_token_service_without_token_is_unavailable(client: RegistryClient, body: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.Response(body=body)
        realm = f'Bearer realm="http://{request.host}/token"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with answering(answer) as host:
        with pytest.raises(Unavailable, match="without a token"):
            await client.resolve(f"{host}/shop", "a")
