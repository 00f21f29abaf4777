"""All controllers in one process: watches wake them, nothing polls."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Self

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    JOB,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from bot.embedded.controllers import endpoint_slices, objects
from bot.embedded.controllers.deployments import Deployments
from bot.embedded.controllers.endpoint_slices import EndpointSlices
from bot.embedded.controllers.jobs import Jobs
from bot.embedded.controllers.replica_sets import ReplicaSets
from bot.embedded.controllers.stateful_sets import StatefulSets
from bot.embedded.delays import Delays
from bot.embedded.informer import Change, Informer, Key, key_of
from bot.embedded.reconciler import Reconciler
from bot.embedded.recorder import Recorder

_CONTROLLERS: dict[Kind, type[Deployments | ReplicaSets | StatefulSets]] = {
    DEPLOYMENT: Deployments,
    REPLICA_SET: ReplicaSets,
    STATEFUL_SET: StatefulSets,
}


class Controllers:
    """Deployments, ReplicaSets, StatefulSets, Jobs and EndpointSlices of one API server.

    Must not run beside kube-controller-manager: both would act on the same objects.
    """

    def __init__(self, client: KubernetesApi, delays: Delays | None = None) -> None:
        self._client = client
        self._owners: dict[str, Reconciler[Key]] = {}
        self._recorders: list[Recorder] = []
        for kind, controller in _CONTROLLERS.items():
            name = kind.name.lower()
            recorder = Recorder(client, f"{name}-controller")
            self._recorders.append(recorder)
            self._owners[kind.name] = Reconciler(name, controller(client, recorder).reconcile)
        recorder = Recorder(client, "job-controller")
        self._recorders.append(recorder)
        self._owners[JOB.name] = Reconciler("job", Jobs(client, recorder, delays).reconcile)
        self._slices = Reconciler("endpointslice", EndpointSlices(client).reconcile)
        self._services = Informer(client, SERVICE)
        self._informers = [
            *(self._owner_informer(kind) for kind in (DEPLOYMENT, STATEFUL_SET, JOB)),
            self._owned_informer(self._owner_informer(REPLICA_SET)),
            self._owned_informer(self._pod_informer()),
            self._service_informer(),
            self._slice_informer(),
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Starts; returns once all existing objects are in the caches."""
        loops = [reconciler.run() for reconciler in (*self._owners.values(), self._slices)]
        loops += [recorder.run() for recorder in self._recorders]
        self._tasks = [_task(loop) for loop in (*loops, *(informer.run() for informer in self._informers))]
        await asyncio.gather(*(informer.synced() for informer in self._informers))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _owner_informer(self, kind: Kind) -> Informer:
        """Changes of an object wake its own reconcile."""
        informer = Informer(self._client, kind)
        informer.listen(lambda change: self._owners[kind.name].add(change.key))
        return informer

    def _owned_informer(self, informer: Informer) -> Informer:
        """Changes of an object wake the reconcile of its controller."""
        informer.listen(self._wake_owner)
        return informer

    def _pod_informer(self) -> Informer:
        informer = Informer(self._client, POD)
        informer.listen(self._wake_services)
        return informer

    def _service_informer(self) -> Informer:
        self._services.listen(lambda change: self._slices.add(change.key))
        return self._services

    def _slice_informer(self) -> Informer:
        """Restores slices that another client changed or deleted."""
        ours = f"{endpoint_slices.MANAGED_BY}={endpoint_slices.MANAGER}"
        informer = Informer(self._client, ENDPOINT_SLICE, labels=ours)
        informer.listen(self._wake_slice)
        return informer

    def _wake_owner(self, change: Change) -> None:
        reference = objects.controller_of(change.object)
        reconciler = self._owners.get(reference["kind"]) if reference else None
        if reconciler and reference:
            reconciler.add((change.key[0], reference["name"]))

    def _wake_services(self, change: Change) -> None:
        labels = [item["metadata"].get("labels") for item in (change.object, change.before) if item]
        for service in self._services.list(change.key[0]):
            if any(endpoint_slices.matches(service, worn) for worn in labels):
                self._slices.add(key_of(service))

    def _wake_slice(self, change: Change) -> None:
        service = (change.object["metadata"].get("labels") or {}).get(endpoint_slices.SERVICE_LABEL)
        if service:
            self._slices.add((change.key[0], service))


def _task(loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(loop)
