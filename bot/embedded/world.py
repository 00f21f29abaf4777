"""A GitHub with an App, a registry with its CI and a cluster, on loopback.

The bot is not part of it: it runs in a process of its own.
"""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from bot.cluster.client import kinds
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect
from bot.embedded.bot_process import free_port
from bot.embedded.controllers import Controllers
from bot.embedded.delays import realistic
from bot.embedded.gateway import CONTROLLER_NAME, Gateway
from bot.embedded.github import GitHubServer
from bot.embedded.installation import install
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.node import Node
from bot.embedded.registry import BaseLayer, Builder, BuildError, RegistryServer
from bot.embedded.registry.layout import Layout
from bot.embedded.waker_route import apply_waker_route

GATEWAY = "greenroom-gateway/public"
DOMAIN = "localhost"


class ImageTarget(Protocol):
    """A registry outside of this process, to which images are pushed."""

    @property
    def host(self) -> str:
        """The host and port, as image references name the registry."""

    @property
    def authority(self) -> Path:
        """The certificate authority that signed its certificate."""

    async def push(self, name: str, layout: Layout, tag: str) -> None:
        """Push what `tag` of a layout refers to."""


@dataclass(frozen=True)
class NodeCluster:
    """A cluster with nodes that run containers, and with a gateway, `GATEWAY`, for hosts below `DOMAIN`."""

    kubeconfig: Path
    address: str
    """The address of this process for the cluster's pods."""
    gateway_address: str
    gateway_metrics: str
    """URL of the gateway's metrics."""
    gateway_pods: str
    """The setting that admits the gateway's pods to the environments."""
    registry: ImageTarget
    base: BaseLayer
    """The root file system of images, since containers find nothing else there."""


class World:
    """Use it as an async context manager.

    The cluster is embedded. With a kubeconfig it is a real control plane, with the embedded node and gateway;
    with a NodeCluster nothing of it is embedded. `folder` keeps images, volumes and logs; a temporary one,
    removed at the end, when it is not given.
    """

    def __init__(self, folder: Path | None = None, cluster: Path | NodeCluster | None = None) -> None:
        self._stack = AsyncExitStack()
        self._folder = folder
        self._given = cluster
        self.kubernetes: KubernetesServer | None = None
        self.gateway_metrics = ""
        """URL of the gateway's metrics."""
        self.waker_port: int | None = None
        """Where the embedded gateway sends requests for previews without a route."""
        self.delays = realistic()
        """Delays of the embedded parts; a test may change them."""

    @property
    def has_containers(self) -> bool:
        """Whether pods see no file of this machine."""
        return isinstance(self._given, NodeCluster)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        folder = self._folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greenroom-")))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.registry = await stack.enter_async_context(RegistryServer(folder / "registry"))
        node = self._given if isinstance(self._given, NodeCluster) else None
        self.builder = Builder(folder / "registry", base=node.base if node else None)
        self.registry_host = node.registry.host if node else self.registry.host
        """The registry from which the cluster pulls, as image references name it."""
        self._loop = asyncio.get_running_loop()
        self.github = GitHubServer(on_push=self._build, host=node.address if node else "127.0.0.1")
        # Its threads wait for builds on this loop, so it is started and stopped beside it.
        await asyncio.to_thread(self.github.start)
        stack.push_async_callback(asyncio.to_thread, self.github.stop)
        await self._start_cluster(stack)

    async def _start_cluster(self, stack: AsyncExitStack) -> None:
        match self._given:
            case NodeCluster(kubeconfig):
                self.kubeconfig = kubeconfig
            case None:
                self.kubeconfig = self.folder / "kubeconfig"
                self.kubernetes = await stack.enter_async_context(KubernetesServer())
                self.kubernetes.write_kubeconfig(self.kubeconfig)
            case kubeconfig:
                self.kubeconfig = kubeconfig
        connecting = connect(self.kubeconfig, user_agent="greenroom-embedded")
        self.client = await stack.enter_async_context(await connecting)
        if self._given is None:
            await stack.enter_async_context(Controllers(self.client, self.delays))
        app_id = self.github.credentials.app_id
        if isinstance(self._given, NodeCluster):
            self.gateway_address = self._given.gateway_address
            self.gateway_metrics = self._given.gateway_metrics
        else:
            await stack.enter_async_context(Node(self.client, self.folder / "node", delays=self.delays))
            await apply_gateway(self.client)
            gateway = await stack.enter_async_context(Gateway(self.client, delays=self.delays))
            self.gateway_address = f"127.0.0.1:{gateway.port}"
            self.gateway_metrics = f"http://127.0.0.1:{gateway.metrics_port}/metrics"
        self.gateway_port = int(self.gateway_address.rpartition(":")[2])
        own = self.folder / "bot-kubeconfig"
        self.bot_kubeconfig = await install(self.client, app_id, self.kubeconfig, own, self.kubernetes)
        if not isinstance(self._given, NodeCluster):
            self.waker_port = free_port()
            await apply_waker_route(self.client, GATEWAY, DOMAIN, self.waker_port)

    def settings(self, public_url: str, database: Path) -> Mapping[str, str]:
        """The environment variables with which the bot runs in this world."""
        credentials = self.github.credentials
        settings = {
            "GREENROOM_GITHUB_API_URL": self.github.api_url,
            "GREENROOM_GITHUB_APP_ID": str(credentials.app_id),
            "GREENROOM_GITHUB_PRIVATE_KEY": credentials.private_key,
            "GREENROOM_GITHUB_CLIENT_ID": credentials.client_id,
            "GREENROOM_GITHUB_CLIENT_SECRET": credentials.client_secret,
            "GREENROOM_WEBHOOK_SECRET": credentials.webhook_secret,
            "GREENROOM_PUBLIC_URL": public_url,
            "GREENROOM_DATABASE_URL": f"sqlite:///{database}",
            "GREENROOM_BASE_DOMAIN": f"http://{DOMAIN}:{self.gateway_port}",
            "GREENROOM_GATEWAY": GATEWAY,
            "GREENROOM_GATEWAY_ADDRESS": self.gateway_address,
            "GREENROOM_GATEWAY_METRICS": self.gateway_metrics,
            "GREENROOM_PRIVATE_REGISTRIES": self.registry_host,
            "KUBECONFIG": str(self.bot_kubeconfig),
            "PATH": os.environ.get("PATH", ""),
        }
        if self.waker_port is not None:
            settings["GREENROOM_WAKER_PORT"] = str(self.waker_port)
        if isinstance(self._given, NodeCluster):
            settings["GREENROOM_GATEWAY_PODS"] = self._given.gateway_pods
            settings["SSL_CERT_FILE"] = str(self._given.registry.authority)
        return settings

    def _build(self, repository: str, sha: str, files: dict[str, bytes]) -> None:
        """Build the image of a push, as the CI of every repository. Runs on a thread of GitHub."""
        self.github.checks.ci(repository, sha, None)
        building = self.build(self._image(repository), sha, files)
        try:
            asyncio.run_coroutine_threadsafe(building, self._loop).result()
        except BuildError:
            self.github.checks.ci(repository, sha, "failure")
        else:
            self.github.checks.ci(repository, sha, "success")

    async def build(self, name: str, tag: str, files: Mapping[str, bytes]) -> str:
        """Build `name:tag` into the registry from which the cluster pulls; returns the digest."""
        digest = await self.builder.build(name, tag, files)
        if isinstance(self._given, NodeCluster):
            await self._given.registry.push(name, Layout(self.folder / "registry", name), tag)
        return digest

    def _image(self, repository: str) -> str:
        """The image's repository; a fork uses that of its parent."""
        forked = self.github.world.repository(repository).fork_of
        source = repository if forked is None else self.github.world.repository(forked).full_name
        return source.lower()


async def apply_gateway(client: KubernetesApi) -> None:
    """Apply `GATEWAY`, which serves hosts below `DOMAIN`."""
    namespace, _, name = GATEWAY.partition("/")
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "hostname": f"*.{DOMAIN}",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    gateway_class = {"controllerName": CONTROLLER_NAME}
    gateway = {"gatewayClassName": "embedded", "listeners": [listener]}
    bodies = (
        (kinds.NAMESPACE, {"metadata": {"name": namespace}}),
        (kinds.GATEWAY_CLASS, {"metadata": {"name": "embedded"}, "spec": gateway_class}),
        (kinds.GATEWAY, {"metadata": {"name": name, "namespace": namespace}, "spec": gateway}),
    )
    for kind, body in bodies:
        typed = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        await client.apply(typed)
