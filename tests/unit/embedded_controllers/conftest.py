"""An API server with controllers, and a kubelet that runs nothing but says that it does.

Every test runs on the embedded API server with our controllers and, where there is one, on the real control
plane with Kubernetes' own: where they differ, ours are wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from bot.embedded.client import ApiError, Change, Client, Connection, Informer, Key, Object, Reconciler
from bot.embedded.client.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS
from bot.embedded.controllers import Controllers
from bot.embedded.controllers.objects import from_time, is_terminating, phase, utc_now
from bot.embedded.kubernetes import KubernetesServer
from tests.kubernetes.control_plane import control_plane

PLACES = ["embedded", pytest.param("real", marks=pytest.mark.cluster)]


@dataclass
class Kubelet:
    """Binds every pod; its `fate` says what becomes of it: Running, Succeeded, Failed or Stuck."""

    client: Client
    namespace: str
    fate: Callable[[Object], str] = lambda pod: "Running"
    started: list[str] = field(default_factory=list)
    _addresses: int = 0

    async def run(self) -> None:
        pods = Informer(self.client, PODS, self.namespace)
        work = Reconciler("kubelet", self.reconcile)
        pods.listen(lambda change: self._wake(work, change))
        async with asyncio.TaskGroup() as group:
            group.create_task(pods.run())
            group.create_task(work.run())

    def _wake(self, work: Reconciler[Key], change: Change) -> None:
        if change.type != "DELETED":
            work.add(change.key)

    async def reconcile(self, key: Key) -> None:
        namespace, name = key
        pod = await self.client.find(PODS, name, namespace)
        if pod is None:
            return
        if is_terminating(pod):
            await self.client.delete(PODS, name, namespace, grace_seconds=0)
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": self.namespace}
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name, "namespace": namespace},
                "target": target,
            }
            await self.client.create(PODS, binding, subresource="binding")
        elif phase(pod) != self.fate(pod) and self.fate(pod) != "Stuck":
            self.started.append(name)
            await self.client.patch_status(PODS, name, self._status(self.fate(pod)), namespace)

    def _status(self, fate: str) -> Object:
        self._addresses += 1
        now = from_time(utc_now())
        ready = {
            "type": "Ready",
            "status": "True" if fate == "Running" else "False",
            "lastTransitionTime": now,
        }
        address = f"10.0.0.{self._addresses}"
        return {"phase": fate, "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}


@dataclass
class Cluster:
    """What a test holds in hand."""

    client: Client
    kubelet: Kubelet
    namespace: str
    server: KubernetesServer | None = None

    async def until(self, happened: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(ApiError):
                if await happened():
                    return
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def pods(self) -> list[Object]:
        return (await self.client.list(PODS, self.namespace)).items


@pytest.fixture(scope="session")
def real() -> Iterator[Connection]:
    """A real control plane, with its own controllers, for all tests of this process."""
    with control_plane() as plane:
        yield Connection.from_kubeconfig(plane.kubeconfig)


@pytest.fixture(params=PLACES)
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    if request.param == "real":
        async with _cluster(request.getfixturevalue("real")) as cluster:
            yield cluster
        return
    async with KubernetesServer() as server:
        connection = Connection(server.url, token=server.token)
        async with Controllers(connection), _cluster(connection) as cluster:
            cluster.server = server
            yield cluster


@contextlib.asynccontextmanager
async def _cluster(connection: Connection) -> AsyncIterator[Cluster]:
    namespace = f"shop-{secrets.token_hex(3)}"
    async with Client(connection) as client:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(NAMESPACES, body)
        # Kubernetes leaves pods of an unknown node out of its EndpointSlices.
        await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": namespace}})
        kubelet = Kubelet(client, namespace)
        running = asyncio.create_task(kubelet.run())
        cluster = Cluster(client, kubelet, namespace)
        await cluster.until(lambda: _has_account(client, namespace))
        yield cluster
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await client.delete(NAMESPACES, namespace)
        await client.delete(NODES, namespace)


async def _has_account(client: Client, namespace: str) -> bool:
    return await client.find(SERVICE_ACCOUNTS, "default", namespace) is not None
