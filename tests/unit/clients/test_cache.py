"""A cached value is never older than the last invalidation of its scope."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clients.cache import VersionedCache

_SECONDS = 10.0


@dataclass
class _Source:
    """Changes its value with every invalidation, and delivers reads on the test's request."""

    value: int = 0
    now: float = 0.0
    pending: list[tuple[asyncio.Future[None], int]] = field(default_factory=list)

    async def read(self) -> tuple[int, float]:
        value, delivered = self.value, asyncio.get_running_loop().create_future()
        self.pending.append((delivered, value))
        await delivered
        return value, _SECONDS


_STEPS = st.lists(
    st.one_of(
        st.sampled_from(["read", "change"]),
        st.tuples(st.just("deliver"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.floats(0, 15)),
    ),
    max_size=30,
)


@given(steps=_STEPS)
def test_reads_in_any_order_never_store_an_outdated_value(steps: list[object]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[object]) -> None:
    source = _Source()
    cache: VersionedCache[int] = VersionedCache(100, clock=lambda: source.now)
    tasks: list[asyncio.Task[int]] = []
    for step in steps:
        match step:
            case "read":
                tasks.append(asyncio.create_task(cache.get("scope", "name", source.read)))
            case "change":
                source.value += 1
                cache.forget("scope")
            case ("deliver", int(position)) if source.pending:
                source.pending.pop(position % len(source.pending))[0].set_result(None)
            case ("wait", float(seconds)):
                source.now += seconds
        for _ in range(4):
            await asyncio.sleep(0)
        assert cache.peek("scope", "name") in (None, source.value)
    for delivered, _ in source.pending:
        delivered.set_result(None)
    await asyncio.gather(*tasks)
    assert cache.peek("scope", "name") in (None, source.value)


async def _value(value: str, seconds: float = _SECONDS) -> tuple[str, float]:
    return value, seconds


async def test_values_expire_from_the_start_of_their_read() -> None:
    now = 0.0

    async def slow() -> tuple[str, float]:
        nonlocal now
        now = 4.0
        return "old", _SECONDS

    cache: VersionedCache[str] = VersionedCache(100, clock=lambda: now)
    await cache.get(1, "a", slow)
    now = 9.9
    assert await cache.get(1, "a", lambda: _value("new")) == "old"
    now = 10.0
    assert await cache.get(1, "a", lambda: _value("new")) == "new"


async def test_older_read_does_not_replace_a_later_one() -> None:
    now = 0.0
    answered = asyncio.Event()

    async def slow() -> tuple[str, float]:
        await answered.wait()
        return "older", _SECONDS

    cache: VersionedCache[str] = VersionedCache(100, clock=lambda: now)
    older = asyncio.create_task(cache.get(1, "a", slow))
    await asyncio.sleep(0)
    now = 1.0
    assert await cache.get(1, "a", lambda: _value("later")) == "later"
    answered.set()
    assert await older == "older"
    assert cache.peek(1, "a") == "later"


async def test_scopes_and_names_are_separate() -> None:
    cache: VersionedCache[str] = VersionedCache(100)
    for scope, name in ((1, "a"), (1, "b"), (2, "a")):
        await cache.get(scope, name, lambda: _value("first"))
    cache.forget(1)
    assert [cache.peek(1, "a"), cache.peek(1, "b"), cache.peek(2, "a")] == [None, None, "first"]


async def test_evicted_version_brings_no_value_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.clients.cache._SCOPES", 2)
    cache: VersionedCache[str] = VersionedCache(100)
    await cache.get(1, "a", lambda: _value("first"))
    cache.forget(1)
    for other in (2, 3, 4):
        cache.forget(other)
    assert cache.peek(1, "a") is None


async def test_value_larger_than_the_cache_is_returned_but_not_kept() -> None:
    cache: VersionedCache[str] = VersionedCache(3, len)
    assert await cache.get(1, "a", lambda: _value("large")) == "large"
    assert cache.peek(1, "a") is None
