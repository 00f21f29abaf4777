"""Writes of one installation go one by one; a few at once, then about one a second."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from bot.github.client import rate_limit
from bot.github.client.rate_limit import WritePacer
from bot.model.errors import Unavailable


def _now() -> datetime:
    return datetime.now(UTC)


async def test_burst_is_not_delayed() -> None:
    pacer = WritePacer(_now)
    started = time.monotonic()
    for _ in range(12):
        async with pacer.acquire(1):
            pass
    assert time.monotonic() - started < 0.5


async def test_writes_of_one_installation_do_not_overlap() -> None:
    pacer, running, most = WritePacer(_now), 0, 0

    async def write() -> None:
        nonlocal running, most
        async with pacer.acquire(1):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(write() for _ in range(6)))
    assert most == 1


async def test_writes_above_the_limit_are_deferred() -> None:
    pacer = WritePacer(_now, monotonic=lambda: 0.0)

    async def write() -> None:
        async with pacer.acquire(1):
            pass

    writes = [asyncio.create_task(write()) for _ in range(26)]
    _, waiting = await asyncio.wait(writes, timeout=0.05)
    refused = [task.exception() for task in writes if task.done() and task.exception()]
    assert len(refused) == 4, "twelve at once and one for each of ten seconds have their turn"
    assert all(isinstance(error, Unavailable) and error.retry_at for error in refused)
    async with pacer.acquire(2):
        pass
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_write_behind_a_call_that_hangs_waits_no_longer_than_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "_LONGEST_WAIT", 0.1)
    pacer = WritePacer(_now)
    async with pacer.acquire(1):
        started = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            async with pacer.acquire(1):
                raise AssertionError("two writes at once")
        assert time.monotonic() - started < 1
    assert refused.value.retry_at is not None
    async with pacer.acquire(1):
        pass


async def test_deferrable_writes_leave_reserved_capacity() -> None:
    now = 0.0
    pacer = WritePacer(_now, monotonic=lambda: now)
    for _ in range(6):
        pacer.require_capacity(1)
        async with pacer.acquire(1):
            pass
    with pytest.raises(Unavailable) as refused:
        pacer.require_capacity(1)
    assert refused.value.retry_at is not None
    for _ in range(6):
        async with pacer.acquire(1):
            pass
    pacer.require_capacity(2)
    now = 7.0
    pacer.require_capacity(1)
