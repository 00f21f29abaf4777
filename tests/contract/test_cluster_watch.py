"""The watcher tells which environments changed, whatever becomes of its watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bot.cluster.watch import Watcher
from bot.embedded.client.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS
from bot.embedded.kubernetes.faults import Fault
from bot.model.environment import EnvironmentKey
from tests.contract.cluster_harness import Desk, eventually, open_fence
from tests.unit.cluster.manifests import config_map, deployment, service


class Woken:
    """How often each environment was told of."""

    def __init__(self, desk: Desk) -> None:
        self._key = desk.key
        self.keys: list[EnvironmentKey] = []

    async def __call__(self, key: EnvironmentKey) -> None:
        self.keys.append(key)

    @property
    def count(self) -> int:
        return self.keys.count(self._key)

    async def again(self, since: int) -> None:
        async def more() -> bool:
            return self.count > since

        await eventually(more, lambda: f"told {self.count} times, {since} before")


@contextlib.asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[Woken]:
    woken = Woken(desk)
    task = asyncio.create_task(Watcher(desk.api).run(woken))
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


async def test_an_environment_that_was_there_before_is_told_once_at_the_start(desk: Desk):
    await desk.prepare()
    async with watching(desk) as woken:
        await woken.again(0)


async def test_progress_of_a_workload_wakes_its_environment(desk: Desk):
    await desk.prepare()
    async with watching(desk) as woken:
        before = await quiet(woken)
        await desk.apply(desk.render(deployment(), service()))
        await woken.again(before)


async def test_what_a_reconcile_could_not_act_on_wakes_nobody(desk: Desk):
    await desk.prepare()
    bundle = desk.render(deployment(), service(), config_map(A="1"))
    await desk.apply(bundle)
    async with watching(desk) as woken:
        before = await quiet(woken)
        await desk.apply(bundle)
        await desk.eyes.patch(CONFIG_MAPS, "shop", {"data": {"A": "2"}}, desk.namespace)
        note = {"metadata": {"annotations": {"example.com/note": "x"}}}
        await desk.eyes.patch(DEPLOYMENTS, "shop", note, desk.namespace)
        # The controller notes that it has seen the last change, which a rollout's verdict hangs on; not more.
        assert await quiet(woken) - before <= 2


async def test_deleting_wakes_until_the_namespace_is_gone(desk: Desk):
    await desk.prepare()
    async with watching(desk) as woken:
        before = await quiet(woken)
        await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)

        async def gone() -> bool:
            return await desk.eyes.find(NAMESPACES, desk.namespace) is None

        await woken.again(before)
        await eventually(gone)
        last = await quiet(woken)
        assert last > before


async def test_strangers_and_unreadable_labels_are_passed_over(desk: Desk):
    async with watching(desk) as woken:
        labels = {"greenroom.dev/environment": "not-a-key"}
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": desk.namespace, "labels": labels},
        }
        await desk.eyes.create(NAMESPACES, body)
        assert await quiet(woken) == 0


@pytest.mark.parametrize("desk", ["embedded"], indirect=True)
async def test_watches_that_break_or_grow_too_old_are_taken_up_again(desk: Desk):
    assert desk.server is not None
    faults = desk.server.faults.active
    await desk.prepare()
    async with watching(desk) as woken:
        before = await quiet(woken)
        await desk.apply(desk.render(deployment(), service()))
        await woken.again(before)
    faults.append(Fault(match="GET /apis/apps/v1/deployments", fail_status=410, times=2))
    faults.append(Fault(match="GET /api/v1/pods", fail_status=503, times=2))
    async with watching(desk) as woken:
        before = await quiet(woken)
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        await desk.eyes.patch_status(DEPLOYMENTS, "shop", {"conditions": [late]}, desk.namespace)
        await woken.again(before)
        before = await quiet(woken)
        for pod in (await desk.eyes.list(PODS, desk.namespace)).items:
            await desk.eyes.delete(PODS, pod["metadata"]["name"], desk.namespace, grace_seconds=0)
        await woken.again(before)
    assert faults == []
