"""A line to a server that a test can cut, or make silent."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class Line:
    """Forwards connections to a port of loopback. Use it as an async context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._silent = asyncio.Event()
        self._cut = False
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._server.close()

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Ends all connections; new ones are closed at once."""
        self._cut = True
        self._end()

    def silence(self) -> None:
        """Ends all connections; new ones are accepted and never answered."""
        self._silent.set()
        self._end()

    def restore(self) -> None:
        self._cut = False
        self._silent.clear()
        self._end()

    def _end(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            if self._cut:
                return
            if self._silent.is_set():
                await reader.read(-1)
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._connections.add(back)
            try:
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
            finally:
                self._connections.discard(back)
                back.transport.abort()
        except OSError:
            pass
        finally:
            self._connections.discard(writer)
            writer.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    sink.transport.abort()
