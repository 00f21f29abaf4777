"""An API server with controllers, and a fake kubelet that only sets the status of pods.

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
from pathlib import Path

import pytest

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import NAMESPACE, NODE, POD, SERVICE_ACCOUNT
from bot.embedded.controllers import Controllers
from bot.embedded.controllers.objects import from_time, is_terminating, phase, utc_now
from bot.embedded.informer import Change, Informer, Key
from bot.embedded.kubernetes import KubernetesServer
from bot.embedded.reconciler import Reconciler
from bot.model.errors import Unavailable
from tests.kubernetes.control_plane import control_plane

SERVERS = ["embedded", pytest.param("real", marks=pytest.mark.cluster)]


@dataclass
class Kubelet:
    """Binds every pod; `fate` is its result: Running, Succeeded, Failed or Stuck."""

    client: KubernetesApi
    namespace: str
    fate: Callable[[Object], str] = lambda pod: "Running"
    started: list[str] = field(default_factory=list)
    _addresses: int = 0

    async def run(self) -> None:
        pods = Informer(self.client, POD, self.namespace)
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
        pod = await self.client.find(POD, name, namespace)
        if pod is None:
            return
        if is_terminating(pod):
            await self.client.delete(POD, name, namespace, grace_seconds=0)
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": self.namespace}
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name, "namespace": namespace},
                "target": target,
            }
            await self.client.create(POD, binding, subresource="binding")
        elif phase(pod) != self.fate(pod) and self.fate(pod) != "Stuck":
            self.started.append(name)
            await self.client.patch_status(POD, name, self._status(self.fate(pod)), namespace)

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
    """An API server with a kubelet and a namespace for one test."""

    client: KubernetesApi
    kubelet: Kubelet
    namespace: str
    server: KubernetesServer | None = None

    async def until(self, happened: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Refused, Unavailable):
                if await happened():
                    return
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def pods(self) -> list[Object]:
        return (await self.client.list(POD, self.namespace)).items


@pytest.fixture(scope="session")
def real() -> Iterator[Path]:
    """A real control plane, with its own controllers, for all tests of this process."""
    with control_plane() as plane:
        yield plane.kubeconfig


@pytest.fixture(params=SERVERS)
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    if request.param == "real":
        async with (
            await connect(request.getfixturevalue("real"), user_agent="test") as client,
            _cluster(client) as cluster,
        ):
            yield cluster
        return
    async with KubernetesServer() as server:
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        async with (
            await connect(kubeconfig, user_agent="test") as client,
            Controllers(client),
            _cluster(client) as cluster,
        ):
            cluster.server = server
            yield cluster


@contextlib.asynccontextmanager
async def _cluster(client: KubernetesApi) -> AsyncIterator[Cluster]:
    namespace = f"shop-{secrets.token_hex(3)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await client.create(NAMESPACE, body)
    # Kubernetes leaves pods of an unknown node out of its EndpointSlices.
    await client.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": namespace}})
    kubelet = Kubelet(client, namespace)
    running = asyncio.create_task(kubelet.run())
    cluster = Cluster(client, kubelet, namespace)
    await cluster.until(lambda: _has_account(client, namespace))
    yield cluster
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await client.delete(NAMESPACE, namespace)
    await client.delete(NODE, namespace)


async def _has_account(client: KubernetesApi, namespace: str) -> bool:
    return await client.find(SERVICE_ACCOUNT, "default", namespace) is not None
