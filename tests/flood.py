"""A client that sends requests and never finishes them: `python -m tests.flood PORT CONNECTIONS KIND`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

MIB = 1024 * 1024
_CHUNK = bytes(MIB)
_HEAD = b"POST %s HTTP/1.1\r\nHost: bot\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"

Request = Callable[[], Iterator[bytes]]


def unfinished_body(size: int = 24 * MIB, path: bytes = b"/webhooks") -> Iterator[bytes]:
    """All of a body but its last byte."""
    yield _HEAD % path + b"Content-Length: %d\r\n\r\n" % size
    for start in range(0, size - 1, MIB):
        yield _CHUNK[: min(MIB, size - 1 - start)]


def unfinished_header() -> Iterator[bytes]:
    """A header that could still be accepted, without its end."""
    yield _HEAD % b"/webhooks" + b"X-Padding: " + b"a" * 20_000


def endless_header() -> Iterator[bytes]:
    yield _HEAD % b"/webhooks"
    for _ in range(100):
        yield b"X-Padding: " + b"a" * 2000


def many_headers() -> Iterator[bytes]:
    yield _HEAD % b"/webhooks" + b"a:\r\n" * 50_000


def pipelined() -> Iterator[bytes]:
    yield b"GET /readyz HTTP/1.1\r\n\r\n" * 10_000


def endless_chunks(method: bytes, path: bytes, chunk: bytes) -> Iterator[bytes]:
    """A chunked body that consists of framing; `path` may read it or not."""
    yield method + b" " + path + b" HTTP/1.1\r\nHost: bot\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield chunk


_TINY_CHUNKS = b"1\r\na\r\n" * 20_000

KINDS: dict[str, Request] = {
    "bodies": unfinished_body,
    "bodies of pages": lambda: unfinished_body(path=b"/sign-in"),
    "headers": unfinished_header,
    "endless headers": endless_header,
    "many headers": many_headers,
    "pipelined requests": pipelined,
    "tiny chunks": lambda: endless_chunks(b"POST", b"/webhooks", _TINY_CHUNKS),
    "tiny chunks of pages": lambda: endless_chunks(b"GET", b"/healthz", _TINY_CHUNKS),
    "chunk extensions": lambda: endless_chunks(b"POST", b"/webhooks", b"5;a=" + b"b" * 100_000),
}


class Flood:
    """Connections that each send one request, as fast as the server reads, and stay open.

    A connection that the server closes is opened again.
    """

    def __init__(self, port: int, request: Request, connections: int) -> None:
        self._port = port
        self._request = request
        self._connections = connections
        self._tasks: list[asyncio.Task[None]] = []
        self.ended = 0
        """Number of connections that the server has closed."""

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._send()) for _ in range(self._connections)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as connection, contextlib.suppress(OSError):
                connection.setblocking(False)
                await loop.sock_connect(connection, ("127.0.0.1", self._port))
                for part in self._request():
                    await loop.sock_sendall(connection, part)
                while await loop.sock_recv(connection, 65536):
                    pass
            self.ended += 1
            await asyncio.sleep(0.1)


async def _flood(port: int, connections: int, request: Request) -> None:
    async with Flood(port, request, connections):
        print("started", flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(_flood(int(sys.argv[1]), int(sys.argv[2]), KINDS[sys.argv[3]]))
