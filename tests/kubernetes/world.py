"""A cluster with a registry and a running node, for tests that run real pods."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.embedded.client import ApiError, Client, Connection, Object, Resource
from bot.embedded.client.resources import EVENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from bot.embedded.controllers import Controllers
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.node import Node
from bot.embedded.registry import Builder, RegistryServer

DEADLINE_SECONDS = 30


@contextlib.asynccontextmanager
async def embedded_cluster() -> AsyncIterator[Connection]:
    """The embedded API server with its controllers."""
    async with KubernetesServer() as server:
        connection = Connection(server.url, server.token)
        async with Controllers(connection):
            yield connection


@dataclass(frozen=True)
class World:
    """A namespace of its own on a cluster with one node, and images to run there."""

    client: Client
    connection: Connection
    node: Node
    namespace: str
    registry: RegistryServer
    builder: Builder

    async def image(self, files: Mapping[str, str], command: list[str]) -> str:
        """Build an image with these files in its working directory; a reference by digest."""
        dockerfile = f"FROM scratch\nWORKDIR /app\nCOPY files/ .\nCMD {json.dumps(command)}\n"
        context = {f"files/{name}": text.encode() for name, text in files.items()}
        name = f"acme/{secrets.token_hex(4)}"
        digest = await self.builder.build(name, "1", {"Dockerfile": dockerfile.encode(), **context})
        return f"{self.registry.host}/{name}@{digest}"

    async def create(self, resource: Resource, name: str, **body: object) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return await self.client.create(
            resource,
            {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **body},
        )

    async def pod(self, name: str, image: str, *, spec: Object | None = None, **container: object) -> Object:
        """Create a pod of one container."""
        main = {"name": "main", "image": image, **container}
        body = {"containers": [main], "terminationGracePeriodSeconds": 2, **(spec or {})}
        return await self.create(PODS, name, spec=body)

    async def until(
        self, resource: Resource, name: str, condition: Callable[[Object], bool], action: str = "as wanted"
    ) -> Object:
        """The object, once it is as wanted; it is watched, not polled."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        seen: Object | None = None
        while time.monotonic() < deadline:
            listed = await self.client.list(resource, self.namespace, fields=f"metadata.name={name}")
            for item in listed.items:
                seen = item
                if condition(item):
                    return item
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - time.monotonic()):
                    watching = self.client.watch(
                        resource,
                        self.namespace,
                        resource_version=listed.resource_version,
                        fields=f"metadata.name={name}",
                    )
                    async with contextlib.aclosing(watching) as events:
                        async for event in events:
                            if event.type == "BOOKMARK":
                                continue
                            seen = event.object
                            if event.type != "DELETED" and condition(event.object):
                                return event.object
        status = json.dumps((seen or {}).get("status"), indent=1)
        raise AssertionError(f"{resource.kind} {name} is not {action}: {status}")

    async def ready(self, name: str) -> Object:
        """The pod, once it is ready."""
        return await self.until(PODS, name, is_ready, "ready")

    async def ended(self, name: str) -> Object:
        """The pod, once it has succeeded or failed."""
        over = ("Succeeded", "Failed")
        return await self.until(PODS, name, lambda pod: phase(pod) in over, "ended")

    async def gone(self, resource: Resource, name: str) -> None:
        await eventually(lambda: self._absent(resource, name))

    async def log(self, pod: str, **params: str) -> str:
        return await self.client.logs(self.namespace, pod, **params)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events about an object."""
        listed = await self.client.list(EVENTS, self.namespace, fields=f"involvedObject.name={name}")
        return [(event["reason"], event["message"]) for event in listed.items]

    async def wait_for_event(self, name: str, reason: str, text: str) -> None:
        """Return once an event about the object says so."""

        async def recorded() -> bool:
            return any(r == reason and text in message for r, message in await self.events(name))

        try:
            await eventually(recorded)
        except AssertionError:
            raise AssertionError(f"no event {reason} {text!r} in {await self.events(name)}") from None

    async def _absent(self, resource: Resource, name: str) -> bool:
        return await self.client.find(resource, name, self.namespace) is None


@contextlib.asynccontextmanager
async def world(connection: Connection, folder: Path) -> AsyncIterator[World]:
    """A node on this cluster and a namespace that is removed with its pods afterwards."""
    namespace = f"test-{secrets.token_hex(4)}"
    async with contextlib.AsyncExitStack() as stack:
        images = folder / "registry"
        registry = await stack.enter_async_context(RegistryServer(images, anonymous=True))
        client = await stack.enter_async_context(Client(connection))
        node = Node(connection, folder / "node", restart_backoff=0.1)
        await stack.enter_async_context(node)
        named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(NAMESPACES, named)
        made = World(client, connection, node, namespace, registry, Builder(images))
        # Pods are refused until the namespace has the account that they run as.
        await eventually(lambda: _has_account(client, namespace))
        try:
            yield made
        finally:
            await client.delete(NAMESPACES, namespace)
            # A real namespace takes its time; the pods must be deleted before the node is.
            for pod in (await client.list(PODS, namespace)).items:
                await client.delete(PODS, pod["metadata"]["name"], namespace, grace_seconds=0)
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


async def _has_account(client: Client, namespace: str) -> bool:
    return await client.find(SERVICE_ACCOUNTS, "default", namespace) is not None


async def _no_pods(client: Client, namespace: str) -> bool:
    try:
        return not (await client.list(PODS, namespace)).items
    except ApiError as error:
        return error.not_found
