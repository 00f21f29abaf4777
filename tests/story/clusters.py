"""A second cluster beside that of the site, and the file with which the operator lists both."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import NAMESPACE, SERVICE_ACCOUNT
from bot.embedded.controllers import Controllers
from bot.embedded.gateway import Gateway
from bot.embedded.installation import ACCOUNT, ACCOUNT_NAMESPACE, install
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.node import Node
from bot.embedded.world import DOMAIN, GATEWAY, apply_gateway
from bot.model.errors import Unavailable
from tests.kubernetes.control_plane import control_plane
from tests.story.conftest import PATIENCE_SECONDS, Site, operated
from tests.story.line import Line

WEST = "west"


@dataclass(frozen=True)
class SecondCluster:
    """The cluster west. `server` is None on a real control plane."""

    site: Site
    client: KubernetesApi
    kubeconfig: Path
    """Kubeconfig of the bot."""
    administrator: Path
    gateway_port: int
    server: KubernetesServer | None
    line: Line
    """The bot's way to the API server."""

    async def issue_credentials(self) -> None:
        """Writes the bot's kubeconfig, with a new token."""
        app_id = self.site.world.github.credentials.app_id
        await install(self.client, app_id, self.administrator, self.kubeconfig, self.server)
        content = yaml.safe_load(self.kubeconfig.read_text())
        cluster = content["clusters"][0]["cluster"]
        parts = urlsplit(cluster["server"])
        cluster["server"] = parts._replace(netloc=f"127.0.0.1:{self.line.port}").geturl()
        self.kubeconfig.write_text(yaml.safe_dump(content))

    async def expire_credentials(self) -> None:
        """The token that the bot has is not accepted any more, on a real API server after some seconds."""
        await self.client.delete(SERVICE_ACCOUNT, ACCOUNT, ACCOUNT_NAMESPACE)
        if self.server is not None:
            self.server.tokens.revoke()
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with await connect(self.kubeconfig, user_agent="greenroom-tests") as bot:
            with contextlib.suppress(Unavailable):
                while True:
                    await bot.find(NAMESPACE, "default")
                    assert time.monotonic() < deadline, "the token is still accepted"
                    await asyncio.sleep(0.5)

    async def exists(self, namespace: str) -> bool:
        return await self.client.find(NAMESPACE, namespace) is not None

    async def has(self, namespace: str, present: bool = True) -> None:
        """Waits until the namespace is there, or gone."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.exists(namespace) is not present:
            assert time.monotonic() < deadline, f"{namespace} is{' not' * present} there"
            await asyncio.sleep(0.1)

    async def page(self, label: str) -> httpx.Response:
        """The page of a host, through the gateway of this cluster."""
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"Host": f"{label}.{DOMAIN}:{self.gateway_port}"}
            return await client.get(f"http://127.0.0.1:{self.gateway_port}/", headers=headers)

    def file(self, repositories: str, environments: str) -> str:
        return f"""
clusters:
  - name: default
    default: true
  - name: {WEST}
    kubeconfig: {self.kubeconfig}
    gateway: {GATEWAY}
    base_domain: http://{DOMAIN}:{self.gateway_port}
    gateway_address: 127.0.0.1:{self.gateway_port}
    repositories: [{repositories}]
    environments: [{environments}]
"""


@contextlib.asynccontextmanager
async def second_cluster(site: Site, folder: Path) -> AsyncIterator[SecondCluster]:
    """Like the site's: embedded, or a real control plane with the embedded node and gateway."""
    world = site.world
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        server, administrator = None, folder / "administrator"
        if world.kubernetes is not None:
            server = await stack.enter_async_context(KubernetesServer())
            server.write_kubeconfig(administrator)
        else:
            administrator = stack.enter_context(control_plane()).kubeconfig
        client = await stack.enter_async_context(
            await connect(administrator, user_agent="greenroom-embedded")
        )
        if server is not None:
            await stack.enter_async_context(Controllers(client, world.delays))
        await stack.enter_async_context(Node(client, folder / "node", delays=world.delays))
        await apply_gateway(client)
        gateway = await stack.enter_async_context(Gateway(client, delays=world.delays))
        line = await stack.enter_async_context(Line(int(urlsplit(client.url).port or 0)))
        west = SecondCluster(site, client, folder / "bot", administrator, gateway.port, server, line)
        await west.issue_credentials()
        yield west


@contextlib.asynccontextmanager
async def with_west(
    site: Site, folder: Path, *, repositories: str = '"*"', environments: str = "preview, stage"
) -> AsyncIterator[tuple[Site, SecondCluster]]:
    """The site with a bot that also uses the cluster west."""
    async with second_cluster(site, folder) as west:
        file = folder / "clusters.yaml"
        file.write_text(west.file(repositories, environments))
        async with operated(site, GREENROOM_CLUSTERS=str(file)) as both:
            yield both, west
