"""Sends an answer in one piece.

uvicorn writes head and body apart: two system calls for us, and for the client two wakings to read them.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_BYTES = 64 * 1024
"""Kept back at most; the transport's own flow control begins behind this."""


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol, whose writes of one turn of the event loop leave together."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # the base says less
        super().connection_made(cast(asyncio.Transport, _Together(transport, self.loop)))


class _Together:
    """A transport that writes what it was given once the loop turns, or once it is much."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _MOST_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces:
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
