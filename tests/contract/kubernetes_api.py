"""An API server seen as plain HTTP, the embedded or the real one, with a namespace for one test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import load_kube_config

from bot.embedded.kubernetes import KubernetesServer

Json = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
SERVERS = ["embedded", pytest.param("real", marks=pytest.mark.cluster)]


@dataclass
class Api:
    http: httpx.AsyncClient
    namespace: str
    server: KubernetesServer | None = None

    def path(self, plural: str, name: str = "", group: str = "") -> str:
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def call(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Json:
        """The answer's JSON; an error's Status is an answer like any other."""
        content = body if isinstance(body, str) or body is None else json.dumps(body)
        answer = await self.http.request(method, path, content=content, headers={"content-type": media})
        return dict(answer.json())

    @contextlib.contextmanager
    def impersonating(self, user: str) -> Iterator[None]:
        """Send the requests of this block as another user."""
        self.http.headers["Impersonate-User"] = user
        try:
            yield
        finally:
            del self.http.headers["Impersonate-User"]

    async def create(self, plural: str, body: Json, group: str = "") -> Json:
        return await self.call("POST", self.path(plural, group=group), body)

    async def apply(self, path: str, body: Json, manager: str, force: bool = False) -> Json:
        query = f"?fieldManager={manager}" + ("&force=true" if force else "")
        return await self.call("PATCH", path + query, body, APPLY)

    async def until(self, happened: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not await happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.02)

    async def is_gone(self, path: str) -> bool:
        return (await self.call("GET", path)).get("code") == 404

    @contextlib.asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Json]]:
        """Events of a watch, as they come; each within ten seconds."""
        async with self.http.stream("GET", path, params={"watch": "1", **query}) as answer:
            lines = answer.aiter_lines()

            async def events() -> AsyncIterator[Json]:
                while True:
                    try:
                        yield json.loads(await asyncio.wait_for(anext(lines), 10))
                    except StopAsyncIteration:
                        return

            yield events()


@contextlib.asynccontextmanager
async def opened(place: str, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """An Api on the embedded server, or on the real control plane that the tests share."""
    async with contextlib.AsyncExitStack() as stack:
        server = None
        if place == "real":
            kubeconfig = request.getfixturevalue("real_kubeconfig")
        else:
            server = await stack.enter_async_context(KubernetesServer())
            folder = stack.enter_context(TemporaryDirectory())
            kubeconfig = server.write_kubeconfig(Path(folder) / "kubeconfig")
        http = await stack.enter_async_context(await http_client(kubeconfig))
        api = Api(http, f"story-{secrets.token_hex(4)}", server)
        await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": api.namespace}})
        account = api.path("serviceaccounts", "default")
        await api.until(lambda: _exists(api, account))
        yield api
        await api.call("DELETE", f"/api/v1/namespaces/{api.namespace}")


async def http_client(kubeconfig: Path) -> httpx.AsyncClient:
    """Plain HTTP with the credentials of a kubeconfig."""
    configuration: Any = Configuration()
    await load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
    headers = {"User-Agent": "story/1", "Accept": "application/json"}
    if token := await configuration.get_api_key_with_prefix("BearerToken"):
        headers["Authorization"] = token
    tls = RESTClientObject(configuration).ssl_context
    return httpx.AsyncClient(base_url=configuration.host, headers=headers, verify=tls, timeout=15)


async def _exists(api: Api, path: str) -> bool:
    return not await api.is_gone(path)


def config_map(name: str, data: Json | None = None, **metadata: Any) -> Json:
    fields: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return {**fields, "data": data} if data is not None else fields


def deployment(name: str, container: Json | None = None, **spec: Any) -> Json:
    """A paused Deployment without pods, so that no controller changes what the API server made of it."""
    main = {"name": "web", "image": "shop:1", **(container or {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [main]}}
    selector = {"matchLabels": {"app": name}}
    rest = {"replicas": 0, "paused": True, "selector": selector, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {**rest, **spec},
    }


def pod(name: str, container: Json | None = None, **spec: Any) -> Json:
    main = {"name": "web", "image": "shop:1", **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [main], **spec},
    }
