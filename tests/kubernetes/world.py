"""A cluster with a registry and a running node, for tests that run real pods."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import EVENT, NAMESPACE, POD, SERVICE_ACCOUNT, Kind
from bot.embedded.controllers import Controllers
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.node import Node
from bot.embedded.registry import Builder, RegistryServer

DEADLINE_SECONDS = 30


@contextlib.asynccontextmanager
async def embedded_cluster(folder: Path) -> AsyncIterator[KubernetesApi]:
    """The embedded API server with its controllers."""
    async with KubernetesServer() as server:
        kubeconfig = server.write_kubeconfig(folder / "kubeconfig")
        async with await connect(kubeconfig, user_agent="test") as client, Controllers(client):
            yield client


@dataclass(frozen=True)
class World:
    """A namespace of its own on a cluster with one node, and images to run there."""

    client: KubernetesApi
    node: Node
    namespace: str
    registry: RegistryServer
    builder: Builder

    async def image(self, files: Mapping[str, str], command: list[str], user: str = "10001") -> str:
        """Build an image with these files in its working directory; a reference by digest."""
        dockerfile = f"FROM scratch\nWORKDIR /app\nCOPY files/ .\nUSER {user}\nCMD {json.dumps(command)}\n"
        context = {f"files/{name}": text.encode() for name, text in files.items()}
        name = f"acme/{secrets.token_hex(4)}"
        digest = await self.builder.build(name, "1", {"Dockerfile": dockerfile.encode(), **context})
        return f"{self.registry.host}/{name}@{digest}"

    async def create(self, kind: Kind, name: str, **body: object) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return await self.client.create(
            kind,
            {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body},
        )

    async def pod(self, name: str, image: str, *, spec: Object | None = None, **container: object) -> Object:
        """Create a pod of one container."""
        main = {"name": "main", "image": image, **container}
        body = {"containers": [main], "terminationGracePeriodSeconds": 2, **(spec or {})}
        return await self.create(POD, name, spec=body)

    async def until(
        self,
        kind: Kind,
        name: str,
        condition: Callable[[Object], bool],
        action: str = "in the expected state",
    ) -> Object:
        """The object, once it meets the condition; it is watched, not polled."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        seen: Object | None = None
        while time.monotonic() < deadline:
            listed = await self.client.list(kind, self.namespace, fields=f"metadata.name={name}")
            for item in listed.items:
                seen = item
                if condition(item):
                    return item
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - time.monotonic()):
                    watching = self.client.watch(
                        kind,
                        self.namespace,
                        resource_version=listed.resource_version,
                        fields=f"metadata.name={name}",
                    )
                    async with contextlib.aclosing(watching) as events:
                        async for event in events:
                            if event["type"] == "BOOKMARK":
                                continue
                            seen = item = event["object"]
                            if event["type"] != "DELETED" and condition(item):
                                return dict(item)
        status = json.dumps((seen or {}).get("status"), indent=1)
        raise AssertionError(f"{kind.name} {name} is not {action}: {status}")

    async def ready(self, name: str) -> Object:
        """The pod, once it is ready."""
        return await self.until(POD, name, is_ready, "ready")

    async def ended(self, name: str) -> Object:
        """The pod, once it has succeeded or failed."""
        over = ("Succeeded", "Failed")
        return await self.until(POD, name, lambda pod: phase(pod) in over, "ended")

    async def gone(self, kind: Kind, name: str) -> None:
        await eventually(lambda: self._absent(kind, name))

    async def log(self, pod: str, **params: str) -> str:
        path = f"{POD.path(self.namespace, pod, 'log')}?{urlencode(params)}"
        return await self.client.read_text(path, f"the log of {pod}")

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events about an object."""
        listed = await self.client.list(EVENT, self.namespace, fields=f"involvedObject.name={name}")
        return [(event["reason"], event["message"]) for event in listed.items]

    async def wait_for_event(self, name: str, reason: str, text: str) -> None:
        """Return once the object has an event with this reason and text."""

        async def recorded() -> bool:
            return any(r == reason and text in message for r, message in await self.events(name))

        try:
            await eventually(recorded)
        except AssertionError:
            raise AssertionError(f"no event {reason} {text!r} in {await self.events(name)}") from None

    async def _absent(self, kind: Kind, name: str) -> bool:
        return await self.client.find(kind, name, self.namespace) is None


@contextlib.asynccontextmanager
async def world(client: KubernetesApi, folder: Path) -> AsyncIterator[World]:
    """A node on this cluster and a namespace that is removed with its pods afterwards."""
    namespace = f"test-{secrets.token_hex(4)}"
    async with contextlib.AsyncExitStack() as stack:
        images = folder / "registry"
        registry = await stack.enter_async_context(RegistryServer(images, anonymous=True))
        node = Node(client, folder / "node", restart_backoff=0.1)
        await stack.enter_async_context(node)
        named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(NAMESPACE, named)
        made = World(client, node, namespace, registry, Builder(images))
        # Pods are refused until the namespace has the account that they run as.
        await eventually(lambda: _has_account(client, namespace))
        try:
            yield made
        finally:
            await client.delete(NAMESPACE, namespace)
            # A real namespace takes its time; the pods must be deleted before the node is.
            for pod in (await client.list(POD, namespace)).items:
                await client.delete(POD, pod["metadata"]["name"], namespace, grace_seconds=0)
            await eventually(lambda: _no_pods(client, namespace))


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase"))


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def condition(item: Object, kind: str) -> Object:
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), {})


def container_status(pod: Object) -> Object:
    """The status of a pod's first container; empty before there is one."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = DEADLINE_SECONDS) -> None:
    """Return once the check holds; for what cannot be watched."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to be within {seconds} s")
        await asyncio.sleep(0.02)


async def _has_account(client: KubernetesApi, namespace: str) -> bool:
    return await client.find(SERVICE_ACCOUNT, "default", namespace) is not None


async def _no_pods(client: KubernetesApi, namespace: str) -> bool:
    try:
        return not (await client.list(POD, namespace)).items
    except Refused as error:
        return error.not_found
