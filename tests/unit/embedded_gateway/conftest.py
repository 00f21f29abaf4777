"""The running gateway, tested on the embedded API server and, where marked so, on the real one."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import DEPLOYMENT, GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, SERVICE
from bot.embedded.gateway import CONTROLLER_NAME, Gateway
from tests.kubernetes.world import World, condition, embedded_cluster, eventually
from tests.kubernetes.world import world as make_world

SHOW = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        seen = {"name": os.environ["NAME"], "path": self.path, "body": body, "headers": dict(self.headers)}
        answer = json.dumps(seen).encode()
        self.send_response(418 if self.path == "/teapot" else 200)
        self.send_header("Content-Length", str(len(answer) + (self.path == "/half")))
        self.send_header("Server-Secret", "s3cret")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
    do_POST = do_HEAD = do_GET
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], 28080), Handler).serve_forever()
"""


@dataclass(frozen=True)
class GatewayHarness:
    """A world with a gateway for `*.gateway.example` and shops behind it."""

    world: World
    gateway: Gateway
    http: httpx.AsyncClient

    async def shop(self, name: str) -> None:
        """Creates a Deployment and a Service whose responses contain the name."""
        image = await self.world.image({"show.py": SHOW}, ["python", "show.py"])
        main = {"name": "main", "image": image, "env": [{"name": "NAME", "value": name}]}
        probe = {"tcpSocket": {"port": 28080}}
        spec = {"containers": [{**main, "readinessProbe": probe}], "terminationGracePeriodSeconds": 1}
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": spec}
        await self.world.create(
            SERVICE, name, spec={"selector": labels, "ports": [{"port": 80, "targetPort": 28080}]}
        )
        await self.world.create(
            DEPLOYMENT, name, spec={"selector": {"matchLabels": labels}, "template": template}
        )
        await self.world.until(
            DEPLOYMENT, name, lambda item: condition(item, "Available").get("status") == "True", "available"
        )

    def hostname(self, name: str) -> str:
        """A hostname that no other test has."""
        return f"{name}.{self.world.namespace}.gateway.example"

    async def route(self, name: str, *rules: Object) -> Object:
        """A route for the hostname of that name, once the gateway has set its status."""
        parent = {"name": "public"}
        spec = {"parentRefs": [parent], "hostnames": [self.hostname(name)], "rules": list(rules)}
        await self.world.create(HTTP_ROUTE, name, spec=spec)
        return await self.world.until(
            HTTP_ROUTE, name, lambda item: bool(parents(item)), "in a parent's status"
        )

    async def request(
        self, name: str, path: str = "/", method: str = "GET", **options: Any
    ) -> httpx.Response:
        """The gateway's response for a name."""
        headers = {"Host": f"{self.hostname(name)}:{self.gateway.port}", **options.pop("headers", {})}
        url = f"http://127.0.0.1:{self.gateway.port}{path}"
        return await self.http.request(method, url, headers=headers, **options)

    async def opened(self, name: str, answers_in_a_row: int = 1) -> None:
        """Return once a shop's pods are known to the gateway, which is shortly after they are ready."""

        async def answers() -> bool:
            return {(await self.request(name)).status_code for _ in range(answers_in_a_row)} == {200}

        await eventually(answers)


def parents(route: Object) -> list[Object]:
    return list((route.get("status") or {}).get("parents") or [])


def parent_condition(route: Object, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition of the route's first parent."""
    value = condition({"status": parents(route)[0]}, kind)
    return value["status"], value["reason"], value["message"]


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayHarness]:
    if request.param == "real":
        kubeconfig = request.getfixturevalue("real_kubeconfig")
        async with (
            await connect(kubeconfig, user_agent="test") as client,
            _harness(client, tmp_path) as harness,
        ):
            yield harness
    else:
        async with embedded_cluster(tmp_path) as client, _harness(client, tmp_path) as harness:
            yield harness


@contextlib.asynccontextmanager
async def _harness(client: KubernetesApi, folder: Path) -> AsyncIterator[GatewayHarness]:
    async with make_world(client, folder) as world, Gateway(client) as gateway:
        body = {"metadata": {"name": "test"}, "spec": {"controllerName": CONTROLLER_NAME}}
        kind = {"apiVersion": GATEWAY_CLASS.api_version, "kind": "GatewayClass"}
        await client.apply({**kind, **body})
        listener = {"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.gateway.example"}
        allowed = {"namespaces": {"from": "All"}}
        spec = {"gatewayClassName": "test", "listeners": [{**listener, "allowedRoutes": allowed}]}
        await world.create(GATEWAY, "public", spec=spec)
        async with httpx.AsyncClient(trust_env=False) as http:
            yield GatewayHarness(world, gateway, http)
