"""Reads the bodies of requests that are not verified yet, with limits on each and on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect
from starlette.types import Receive

UNVERIFIED_BYTES = 64 * 1024 * 1024
"""Bytes of all unverified bodies together."""

_SMALL_CHUNK = 4096
"""Smaller ones are joined: as objects of their own they would take many times the memory that counts."""

Headers = Mapping[bytes, bytes]
"""Names are in lower case."""


class BodyTooLarge(Exception):
    """The body exceeds the limit for one."""


class MemoryExhausted(Exception):
    """All unverified bodies together exceed the limit, and this one is the largest."""


class UnverifiedBodies:
    """Accounts for the memory of all bodies that are being read or verified.

    At the limit the largest unfinished one is dropped: small deliveries pass while large bodies flood.
    """

    def __init__(self, limit: int = UNVERIFIED_BYTES) -> None:
        self._limit = limit
        self._bodies: set[Body] = set()
        self._bytes = 0

    def body(self) -> Body:
        return Body(self)

    def add(self, body: Body, size: int) -> None:
        self._bodies.add(body)
        self._bytes += size
        while self._bytes > self._limit:
            unfinished = [body for body in self._bodies if not body.complete]
            if not unfinished:
                break
            self.remove(largest := max(unfinished, key=lambda body: body.size))
            largest.drop()

    def remove(self, body: Body) -> None:
        if body in self._bodies:
            self._bodies.remove(body)
            self._bytes -= body.size


class Body:
    """One body; as a context manager, it counts until the block ends."""

    def __init__(self, bodies: UnverifiedBodies) -> None:
        self._bodies = bodies
        self._chunks: list[bytes] = []
        self._dropped = False
        self.size = 0
        self.complete = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bodies.remove(self)

    async def read(self, headers: Headers, receive: Receive, largest: int) -> bytes:
        """The whole body; stops reading at the limit, whatever the Content-Length.

        Raises BodyTooLarge, MemoryExhausted or ClientDisconnect.
        """
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:20]) > largest:
            raise BodyTooLarge
        while not self.complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self.complete = not message.get("more_body", False)
            self._append(message.get("body", b""))
            if self.size > largest:
                raise BodyTooLarge
        content = b"".join(self._chunks)
        self._chunks.clear()
        return content

    def drop(self) -> None:
        """Frees the memory at once; the reader, which may be waiting for the peer, notices later."""
        self._dropped = True
        self._chunks.clear()

    def _append(self, chunk: bytes) -> None:
        if not self._dropped:
            if self._chunks and len(self._chunks[-1]) < _SMALL_CHUNK:
                self._chunks[-1] += chunk
            else:
                self._chunks.append(chunk)
            self.size += len(chunk)
            self._bodies.add(self, len(chunk))
        if self._dropped:
            raise MemoryExhausted
