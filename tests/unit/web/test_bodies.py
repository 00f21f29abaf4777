"""Bodies that are not verified yet share a limit of memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from bot.web.bodies import BodyTooLarge, MemoryExhausted, UnverifiedBodies

LARGEST = 1000


class Peer:
    """Sends its chunks one after another, each after `go_on`."""

    def __init__(self, *chunks: bytes) -> None:
        self._messages = self._parts(chunks)
        self._ready = asyncio.Semaphore(0)

    def go_on(self, chunks: int = 1) -> None:
        for _ in range(chunks):
            self._ready.release()

    async def receive(self) -> Message:
        await self._ready.acquire()
        return await anext(self._messages)

    async def _parts(self, chunks: Sequence[bytes]) -> AsyncIterator[Message]:
        for number, chunk in enumerate(chunks, start=1):
            yield {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        yield {"type": "http.disconnect"}


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def reading(bodies: UnverifiedBodies, peer: Peer) -> asyncio.Task[bytes]:
    async def read() -> bytes:
        with bodies.body() as body:
            return await body.read({}, peer.receive, LARGEST)

    return asyncio.create_task(read())


async def test_body_is_joined_from_its_chunks() -> None:
    peer = Peer(b"a", b"b", b"c")
    peer.go_on(3)
    assert await reading(UnverifiedBodies(), peer) == b"abc"


async def test_largest_unfinished_body_is_dropped_at_the_limit() -> None:
    bodies = UnverifiedBodies(limit=1000)
    large, middle, small = Peer(b"a" * 600, b"a"), Peer(b"b" * 300, b"b"), Peer(b"c" * 101)
    tasks = [reading(bodies, peer) for peer in (large, middle, small)]
    for peer in (large, middle, small):
        peer.go_on()
        await settle()
    assert await tasks[2] == b"c" * 101
    for peer in (large, middle):
        peer.go_on()
    with pytest.raises(MemoryExhausted):
        await tasks[0]
    assert await tasks[1] == b"b" * 301


async def test_body_counts_until_it_is_verified() -> None:
    bodies, first, second = UnverifiedBodies(limit=1000), Peer(b"a" * 800), Peer(b"b" * 300, b"b")
    first.go_on()
    second.go_on()
    with bodies.body() as body:
        await body.read({}, first.receive, LARGEST)
        with pytest.raises(MemoryExhausted):
            await reading(bodies, second)
    third = Peer(b"b" * 300)
    third.go_on()
    assert await reading(bodies, third) == b"b" * 300


@pytest.mark.long
async def test_many_small_chunks_take_as_much_memory_as_one() -> None:
    sent = 0

    async def receive() -> Message:
        nonlocal sent
        sent += 2
        return {"type": "http.request", "body": b"%02d" % (sent % 100), "more_body": sent < 1_000_000}

    tracemalloc.start()
    try:
        with UnverifiedBodies().body() as body:
            assert len(await body.read({}, receive, 1_000_000)) == 1_000_000
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("chunks", "error"),
    [([b"a" * 1001], BodyTooLarge), ([b"a" * 600] * 2, BodyTooLarge), ([], ClientDisconnect)],
)
async def test_body_that_is_not_read_gives_its_memory_back(
    chunks: list[bytes], error: type[Exception]
) -> None:
    bodies = UnverifiedBodies(limit=2000)
    for _ in range(10):
        peer = Peer(*chunks)
        peer.go_on(len(chunks) + 1)
        with pytest.raises(error):
            await reading(bodies, peer)
