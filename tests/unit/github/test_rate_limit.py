"""Writes of one installation go one by one; a few at once, then about one a second."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from bot.github.client import rate_limit
from bot.github.client.rate_limit import WritePacer
from bot.model.errors import Deferred

_START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


async def test_burst_is_not_delayed() -> None:
    pacer = WritePacer(_now)
    started = time.monotonic()
    for _ in range(12):
        async with pacer.acquire(1, "writer"):
            pass
    assert time.monotonic() - started < 0.5


async def test_writes_of_one_installation_do_not_overlap() -> None:
    pacer, running, most = WritePacer(_now), 0, 0

    async def write() -> None:
        nonlocal running, most
        async with pacer.acquire(1, "writer"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(write() for _ in range(6)))
    assert most == 1


async def _deferred_until(pacer: WritePacer, writer: str) -> datetime | None:
    """When the writer's turn comes; None when it wrote."""
    try:
        async with pacer.acquire(1, writer):
            return None
    except Deferred as error:
        return error.retry_at


async def test_deferred_writers_have_turns_of_their_own_and_keep_them() -> None:
    now = 0.0
    pacer = WritePacer(lambda: _START + timedelta(seconds=now), monotonic=lambda: now)
    for _ in range(15):
        async with pacer.acquire(1, "earlier", continues=True):
            pass
    turns = {str(count): await _deferred_until(pacer, str(count)) for count in range(5)}
    assert list(turns.values()) == [_START + timedelta(seconds=4 + count) for count in range(5)]
    assert await _deferred_until(pacer, "3") == turns["3"], (
        "asking again loses no turn and takes no second one"
    )
    now = 7.0
    assert await _deferred_until(pacer, "3") is None


async def test_begun_report_is_completed_without_another_turn() -> None:
    pacer = WritePacer(_now, monotonic=lambda: 0.0)
    for _ in range(30):
        async with pacer.acquire(1, "report", continues=True):
            pass
    assert await _deferred_until(pacer, "other"), "what it sends counts"


async def test_unused_turn_expires() -> None:
    now = 0.0
    pacer = WritePacer(_now, monotonic=lambda: now)
    for _ in range(40):
        async with pacer.acquire(1, "earlier", continues=True):
            pass
    assert await _deferred_until(pacer, "closed in the meantime")
    now = 200.0
    pacer.require_capacity(1)
    for count in range(12):
        assert await _deferred_until(pacer, f"writer {count}") is None
    assert not pacer._schedules[1].turns


async def test_write_behind_a_call_that_hangs_waits_no_longer_than_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "_LONGEST_CALL", 0.1)
    pacer = WritePacer(_now)
    async with pacer.acquire(1, "writer"):
        started = time.monotonic()
        with pytest.raises(Deferred) as refused:
            async with pacer.acquire(1, "writer"):
                raise AssertionError("two writes at once")
        assert time.monotonic() - started < 1
    assert refused.value.retry_at is not None
    async with pacer.acquire(1, "writer"):
        pass


async def test_deferrable_writes_leave_reserved_capacity() -> None:
    now = 0.0
    pacer = WritePacer(_now, monotonic=lambda: now)
    for _ in range(6):
        pacer.require_capacity(1)
        async with pacer.acquire(1, "writer"):
            pass
    with pytest.raises(Deferred) as refused:
        pacer.require_capacity(1)
    assert refused.value.retry_at is not None
    for _ in range(6):
        async with pacer.acquire(1, "writer"):
            pass
    pacer.require_capacity(2)
    now = 7.0
    pacer.require_capacity(1)
