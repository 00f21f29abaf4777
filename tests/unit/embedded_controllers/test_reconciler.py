"""The reconciler: one run per key at a time, retries with backoff."""

import asyncio
import itertools
import time

from bot.cluster.client.errors import Conflict
from bot.embedded.reconciler import Reconciler
from tests.unit.embedded_controllers.loops import running, until


async def test_reconciler_runs_a_key_once_at_a_time() -> None:
    at_work: list[str] = []
    most, runs = 0, 0
    gate = asyncio.Event()

    async def work(key: str) -> None:
        nonlocal most, runs
        at_work.append(key)
        most, runs = max(most, at_work.count(key)), runs + 1
        await gate.wait()
        at_work.remove(key)

    reconciler = Reconciler("test", work)
    async with running(reconciler.run()):
        reconciler.add("a")
        await until(lambda: runs == 1)
        for _ in range(5):
            reconciler.add("a")
        gate.set()
        await until(lambda: runs == 2 and not at_work)
    assert (most, runs) == (1, 2)


async def test_reconciler_retries_with_backoff() -> None:
    seen: list[float] = []

    async def work(key: str) -> float | None:
        seen.append(time.monotonic())
        if len(seen) < 3:
            raise Conflict("another writer was faster")
        return 0.05 if len(seen) == 3 else None

    reconciler = Reconciler("test", work)
    async with running(reconciler.run()):
        reconciler.add("a")
        await until(lambda: len(seen) == 4)
    least = [0.02, 0.04, 0.05]
    for pause, (earlier, later) in zip(least, itertools.pairwise(seen), strict=True):
        assert later - earlier > pause * 0.9
