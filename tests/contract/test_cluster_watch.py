"""The watcher reports changed environments, also after interruptions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD
from bot.cluster.watch import Watcher
from bot.embedded.kubernetes.faults import Fault
from bot.model.environment import EnvironmentKey
from tests.contract.cluster_harness import Harness, eventually, open_fence
from tests.unit.cluster.manifests import config_map, deployment, service


class Woken:
    """Number of reports per environment."""

    def __init__(self, harness: Harness) -> None:
        self._key = harness.key
        self.keys: list[EnvironmentKey] = []

    def __call__(self, key: EnvironmentKey) -> None:
        self.keys.append(key)

    @property
    def count(self) -> int:
        return self.keys.count(self._key)

    async def again(self, since: int) -> None:
        async def more() -> bool:
            return self.count > since

        await eventually(more, lambda: f"{self.count} reports, {since} before")


@contextlib.asynccontextmanager
async def watching(harness: Harness) -> AsyncIterator[Woken]:
    woken = Woken(harness)
    task = asyncio.create_task(Watcher(harness.api).run(woken))
    try:
        yield woken
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def quiet(woken: Woken) -> int:
    """The count, once it has not grown for half a second."""
    before = -1
    while before != woken.count:
        before = woken.count
        await asyncio.sleep(0.5)
    return before


async def test_existing_environment_is_reported_once_at_start(harness: Harness):
    await harness.prepare()
    async with watching(harness) as woken:
        await woken.again(0)


async def test_failed_rollout_is_reported(harness: Harness):
    await harness.prepare()
    async with watching(harness) as woken:
        before = await quiet(woken)
        await harness.apply(harness.render(deployment(), service()))
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        status = {"observedGeneration": 1, "conditions": [late]}
        await harness.observer.patch_status(DEPLOYMENT, "shop", status, harness.namespace)
        await woken.again(before)


async def test_irrelevant_changes_are_not_reported(harness: Harness):
    await harness.prepare()
    bundle = harness.render(deployment(), service(), config_map(A="1"))
    await harness.apply(bundle)
    async with watching(harness) as woken:
        before = await quiet(woken)
        await harness.apply(bundle)
        await harness.observer.patch(CONFIG_MAP, "shop", {"data": {"A": "2"}}, harness.namespace)
        note = {"metadata": {"annotations": {"example.com/note": "x"}}}
        await harness.observer.patch(DEPLOYMENT, "shop", note, harness.namespace)
        # The controller notes that it has seen the last change, which a rollout's verdict hangs on; not more.
        assert await quiet(woken) - before <= 2


async def test_deletion_is_reported_until_complete(harness: Harness):
    await harness.prepare()
    async with watching(harness) as woken:
        before = await quiet(woken)
        await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)

        async def gone() -> bool:
            return await harness.observer.find(NAMESPACE, harness.namespace) is None

        await woken.again(before)
        await eventually(gone)
        last = await quiet(woken)
        assert last > before


async def test_foreign_and_invalid_labels_are_ignored(harness: Harness):
    async with watching(harness) as woken:
        labels = {"greenroom.dev/environment": "not-a-key"}
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": harness.namespace, "labels": labels},
        }
        await harness.observer.create(NAMESPACE, body)
        assert await quiet(woken) == 0


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_interrupted_and_expired_watches_resume(harness: Harness):
    assert harness.server is not None
    faults = harness.server.faults.active
    await harness.prepare()
    async with watching(harness) as woken:
        await harness.apply(harness.render(deployment(), service()))
        await quiet(woken)
    faults.append(Fault(match="GET /apis/apps/v1/deployments", fail_status=410, times=2))
    faults.append(Fault(match="GET /api/v1/pods", fail_status=503, times=2))
    async with watching(harness) as woken:
        before = await quiet(woken)
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        await harness.observer.patch_status(
            DEPLOYMENT, "shop", {"observedGeneration": 1, "conditions": [late]}, harness.namespace
        )
        await woken.again(before)
        before = await quiet(woken)
        for pod in (await harness.observer.list(POD, harness.namespace)).items:
            await harness.observer.delete(POD, pod["metadata"]["name"], harness.namespace, grace_seconds=0)
        await woken.again(before)
    assert faults == []
