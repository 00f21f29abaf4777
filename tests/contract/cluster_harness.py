"""The cluster package on an API server, with a second client that observes it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot.cluster.apply import KubernetesWorkloads
from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import GATEWAY, GATEWAY_CLASS, NAMESPACE, POD, ROLE_BINDING, Kind
from bot.cluster.confinement import await_confinement
from bot.cluster.data import KubernetesData
from bot.cluster.health.observe import KubernetesHealth
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.cluster.rights import Right, missing_rights
from bot.cluster.routing.gateway import HttpGateway
from bot.embedded.controllers import Controllers
from bot.embedded.delays import realistic
from bot.embedded.gateway import CONTROLLER_NAME, Gateway
from bot.embedded.installation import ACCOUNT, ACCOUNT_NAMESPACE, install
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.node import Node
from bot.embedded.registry import Builder, RegistryServer
from bot.model.environment import EnvironmentKey
from bot.model.errors import Unavailable
from bot.model.manifest import Bundle, Condition, Manifest, ObjectState, RenderRequest
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.size import Size
from bot.settings import Domain
from tests.unit.cluster.manifests import render, request

DEADLINE_SECONDS = 40
SIZE = Size()
APP_ID = 1
"""The App's id in deploy/base."""


@dataclass(frozen=True)
class Harness:
    """A new environment. `api` and `kubeconfig` have the bot's rights; `observer` is the administrator.

    `server` is None on a real control plane.
    """

    api: KubernetesApi
    renderer: ManifestRenderer
    namespaces: KubernetesNamespaces
    workloads: KubernetesWorkloads
    data: KubernetesData
    health: KubernetesHealth
    observer: KubernetesApi
    policy: ClusterPolicy
    kubeconfig: Path
    key: EnvironmentKey
    repository: Repository
    namespace: str
    server: KubernetesServer | None

    def request(self, *manifests: object, **changes: Any) -> RenderRequest:
        return request(
            *manifests,
            environment=self.key,
            repository=self.repository,
            namespace=self.namespace,
            **changes,
        )

    def render(self, *manifests: object, **changes: Any) -> Bundle:
        return render(self.request(*manifests, **changes), self.policy)

    async def prepare(self, generation: int = 1, size: Size = SIZE, *, fork: bool = False) -> None:
        """Prepares repeatedly, like the phase, until Kubernetes has counted objects for a new quota."""

        async def prepared() -> bool:
            try:
                await self.namespaces.prepare(
                    self.namespace, self.key, self.repository, generation, size, open_fence, fork=fork
                )
            except Unavailable as error:
                if "has not counted" in str(error):
                    return False
                raise
            return True

        await eventually(prepared)

    async def apply(self, bundle: Bundle) -> None:
        for objects in bundle.waves.values():
            await self.workloads.apply(self.namespace, objects, open_fence)

    async def settled(self, *objects: Manifest) -> list[ObjectState]:
        """The states of the objects, once one has failed or all are ready."""
        states: list[ObjectState] = []

        async def done() -> bool:
            states[:] = await self.health.observe(self.namespace, objects)
            conditions = {state.condition for state in states}
            return Condition.FAILED in conditions or conditions <= {Condition.READY}

        await eventually(done, lambda: f"still {states}")
        return states


@dataclass(frozen=True)
class Running:
    """A harness with a node that runs pods, and a gateway."""

    harness: Harness
    registry: RegistryServer
    builder: Builder
    gateway: HttpGateway

    async def image(self, **scripts: str) -> Image:
        """An image with Python scripts, `serve` as serve.py; its digest is that of its content."""
        context = {f"files/{name}.py": text.encode() for name, text in scripts.items()}
        command = json.dumps(["python", "serve.py"])
        dockerfile = f"FROM scratch\nWORKDIR /app\nCOPY files/ .\nUSER 10001\nCMD {command}\n"
        digest = await self.builder.build("acme/shop", "1", {"Dockerfile": dockerfile.encode(), **context})
        return Image(f"{self.registry.host}/acme/shop", digest)


def with_api(harness: Harness, api: KubernetesApi) -> Harness:
    """The harness with another client of the bot."""
    namespaces, workloads, data, health = _clients(api, harness.policy)
    return replace(harness, api=api, namespaces=namespaces, workloads=workloads, data=data, health=health)


def _clients(
    api: KubernetesApi, policy: ClusterPolicy
) -> tuple[KubernetesNamespaces, KubernetesWorkloads, KubernetesData, KubernetesHealth]:
    return (
        KubernetesNamespaces(api, policy, APP_ID),
        KubernetesWorkloads(api),
        KubernetesData(api),
        KubernetesHealth(api),
    )


async def open_fence() -> None:
    """Lets every write through."""


@contextlib.asynccontextmanager
async def harness_on(kubeconfig: Path, server: KubernetesServer | None) -> AsyncIterator[Harness]:
    key = EnvironmentKey.preview(secrets.randbelow(10**9), 7)
    repository = Repository(key.repository_id, 99, "acme", "shop")
    gateways = f"gateways-{secrets.token_hex(4)}"
    policy = ClusterPolicy(gateways, "main", Domain("http", "preview.test", None))
    async with contextlib.AsyncExitStack() as stack:
        observer = await stack.enter_async_context(await connect(kubeconfig, user_agent="test"))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        own = await install(observer, APP_ID, kubeconfig, folder / "kubeconfig", server)
        api = await stack.enter_async_context(await connect(own))
        await await_confinement(api, APP_ID, DEADLINE_SECONDS)
        harness = Harness(
            api,
            ManifestRenderer(policy, Tools()),
            *_clients(api, policy),
            observer,
            policy,
            own,
            key,
            repository,
            f"gr-test-{secrets.token_hex(4)}-pr-7",
            server,
        )
        try:
            yield harness
        finally:
            for name in (harness.namespace, gateways):
                await observer.delete(NAMESPACE, name)


@contextlib.asynccontextmanager
async def embedded_kubeconfig(folder: Path) -> AsyncIterator[tuple[Path, KubernetesServer]]:
    """The embedded API server with its controllers."""
    async with KubernetesServer() as server:
        kubeconfig = server.write_kubeconfig(folder / "kubeconfig")
        async with await connect(kubeconfig, user_agent="test") as client, Controllers(client, realistic()):
            yield kubeconfig, server


@contextlib.asynccontextmanager
async def running_on(harness: Harness, folder: Path) -> AsyncIterator[Running]:
    async with contextlib.AsyncExitStack() as stack:
        registry = await stack.enter_async_context(RegistryServer(folder / "registry", anonymous=True))
        await stack.enter_async_context(Node(harness.observer, folder / "node", restart_backoff=0.1))
        await make_gateway(harness)
        proxy = await stack.enter_async_context(Gateway(harness.observer))
        address = f"127.0.0.1:{proxy.port}"
        gateway = await stack.enter_async_context(HttpGateway(harness.policy.domain, address))
        try:
            yield Running(harness, registry, Builder(folder / "registry"), gateway)
        finally:
            # The node stops before a real namespace is deleted, so its pods are deleted here.
            await harness.observer.delete(NAMESPACE, harness.namespace)
            for pod in (await harness.observer.list(POD, harness.namespace)).items:
                await harness.observer.delete(
                    POD, pod["metadata"]["name"], harness.namespace, grace_seconds=0
                )


async def bind(harness: Harness, namespace: str, role: str) -> None:
    """Binds a ClusterRole to the bot's account as the operator does, and waits until it is in effect."""
    reference = {"apiGroup": ROLE_BINDING.group, "kind": "ClusterRole", "name": role}
    account = {"kind": "ServiceAccount", "namespace": ACCOUNT_NAMESPACE, "name": ACCOUNT}
    body = {"metadata": {"name": "greenroom"}, "roleRef": reference, "subjects": [account]}
    await harness.observer.create(ROLE_BINDING, body, namespace)

    async def in_effect() -> bool:
        return not await missing_rights(harness.api, [Right("", "secrets", "list")], namespace)

    await eventually(in_effect)


async def make_gateway(harness: Harness, **listener: object) -> None:
    """Creates the operator's Gateway, which accepts routes of all namespaces by default."""
    namespace, name = harness.policy.gateway_namespace, harness.policy.gateway_name
    everywhere = {"namespaces": {"from": "All"}}
    first = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everywhere, **listener}
    objects: tuple[tuple[Kind, Object, Object], ...] = (
        (NAMESPACE, {"name": namespace}, {}),
        (GATEWAY_CLASS, {"name": "embedded"}, {"spec": {"controllerName": CONTROLLER_NAME}}),
        (
            GATEWAY,
            {"name": name, "namespace": namespace},
            {"spec": {"gatewayClassName": "embedded", "listeners": [first]}},
        ),
    )
    for kind, metadata, rest in objects:
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **rest}
        await harness.observer.apply(body)


async def eventually(check: Callable[[], Awaitable[bool]], describe: Callable[[], str] = lambda: "") -> None:
    """Returns once the check holds; fails with the description at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s: {describe()}")
        await asyncio.sleep(0.05)


def of_image(manifest: dict[str, Any], image: Image, script: str, **container: object) -> dict[str, Any]:
    """The manifest with its first container running a script of an image."""
    changed = json.loads(json.dumps(manifest))
    first = changed["spec"]["template"]["spec"]["containers"][0]
    first.update(image=f"{image.repository}:1", command=["python", f"{script}.py"], **container)
    return dict(changed)
