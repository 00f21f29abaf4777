"""Runs the pods that are bound to this node and writes their status."""

import asyncio
import logging
import shutil
from collections.abc import Collection, Coroutine
from typing import Any

from bot.cluster.client.api import Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import POD
from bot.embedded.delays import Delays
from bot.embedded.informer import Change
from bot.embedded.node.addresses import NoAddressError, PodAddresses
from bot.embedded.node.pod import Pod
from bot.embedded.node.runtime import Runtime
from bot.embedded.reconciler import Reconciler

log = logging.getLogger(__name__)

_GRACE_SECONDS, _FORCED_SECONDS = 30, 1


class Kubelet:
    """Runs pods; `observe` is a listener for an informer of all pods."""

    def __init__(self, runtime: Runtime, node_name: str, addresses: PodAddresses, delays: Delays) -> None:
        self._delays = delays
        self._ended: dict[str, float] = {}
        """When the containers of terminating pods ended, by uid."""
        self._runtime = runtime
        self._node_name = node_name
        self._addresses = addresses
        self._pods: dict[str, Pod] = {}
        self._taken: dict[str, str] = {}
        self._written: dict[str, Object] = {}
        self._statuses: Reconciler[str] = Reconciler("pod status", self._write_status, workers=8)
        self._stops: set[asyncio.Task[None]] = set()
        self._terminating: set[str] = set()

    async def run(self) -> None:
        """Write statuses until cancelled."""
        await self._statuses.run()

    def tidy(self, existing: Collection[str]) -> None:
        """Remove what is left of pods that went while the node was away; `existing` are uids."""
        pods = self._runtime.folder / "pods"
        for folder in pods.iterdir() if pods.exists() else ():
            if folder.name not in existing:
                shutil.rmtree(folder, ignore_errors=True)

    def abandon(self) -> None:
        """Let go of every pod: the node stops."""
        for stop in self._stops:
            stop.cancel()
        for pod in self._pods.values():
            pod.abandon()

    def find(self, namespace: str, name: str) -> Pod | None:
        for pod in self._pods.values():
            metadata = pod.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                return pod
        return None

    def observe(self, change: Change) -> None:
        item = change.object
        uid = item["metadata"]["uid"]
        if item["spec"].get("nodeName") != self._node_name:
            return
        if change.type == "DELETED":
            if uid in self._pods:
                self._spawn(self._forget(uid))
            return
        if uid not in self._pods:
            self._admit(item)
        pod = self._pods.get(uid)
        if pod is None:
            return
        pod.update(item)
        metadata = item["metadata"]
        if metadata.get("deletionTimestamp") and uid not in self._terminating:
            self._terminating.add(uid)
            grace = metadata.get("deletionGracePeriodSeconds", _GRACE_SECONDS)
            self._spawn(pod.terminate(grace))

    def _admit(self, item: Object) -> None:
        uid = item["metadata"]["uid"]
        status = item.get("status") or {}
        over = status.get("phase") in ("Succeeded", "Failed")
        try:
            address = str(status.get("podIP") or "") if over else self._addresses.take()
        except NoAddressError as error:
            self._runtime.recorder.warning(item, "FailedCreatePodSandBox", str(error))
            return
        pod = Pod(self._runtime, item, address, lambda: self._statuses.add(uid))
        self._pods[uid] = pod
        if not over:
            self._taken[uid] = address
        pod.start()

    async def _write_status(self, uid: str) -> float | None:
        pod = self._pods.get(uid)
        if pod is None:
            return None
        metadata = pod.pod["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        status = pod.status()
        if status != self._written.get(uid):
            # With the uid in it the patch cannot meet another pod of the same name.
            body = {"metadata": {"uid": uid}, "status": status}
            try:
                answer = await self._runtime.client.patch(POD, name, body, namespace, subresource="status")
            except Refused as error:
                if error.not_found:
                    return None  # the watch will report it
                raise
            self._written[uid] = status
            pod.update(answer)
        if pod.ended and pod.pod["metadata"].get("deletionTimestamp"):
            now = asyncio.get_running_loop().time()
            left = self._ended.setdefault(uid, now) + self._delays.termination - now
            if left > 0:
                return left
            await self._runtime.client.delete(
                POD, name, namespace, preconditions={"uid": uid}, grace_seconds=0
            )
        return None

    async def _forget(self, uid: str) -> None:
        """The object was deleted: end its processes and remove its files."""
        pod = self._pods[uid]
        await pod.terminate(_FORCED_SECONDS)
        if self._pods.pop(uid, None) is None:
            return
        self._written.pop(uid, None)
        self._ended.pop(uid, None)
        self._terminating.discard(uid)
        if address := self._taken.pop(uid, None):
            self._addresses.release(address)
        await asyncio.to_thread(pod.remove)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._stops.add(task)
        task.add_done_callback(self._stopped)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self._stops.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("stopping a pod failed", exc_info=error)
