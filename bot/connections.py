"""HTTP connections with limits on what a peer can hold before its request is verified.

uvicorn limits neither size nor time of a header that httptools parses, nor the time of a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bot.reading_turns import ReadingTurns, TurnFlow

MAX_CONNECTIONS = 512
"""Then the connection whose peer has been silent for longest is closed for a new one."""
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
_MAX_PIPELINED = 8
"""Requests of one connection that wait for the response to the one before."""
_MAX_CHUNKS = 256
"""Maximum number of chunks in `MAX_HEADER_BYTES` read at once; each costs as much as kilobytes of a body."""
_FRAMING_RATE = 16
"""Sizes of chunks, extensions and trailers: `MAX_HEADER_BYTES`, and 1 byte for each 16 bytes of the body."""

HEADER_SECONDS = 10.0
"""From the start of the connection, or of the next request on it."""
BODY_SECONDS = 10.0
"""Grows by one second for each `BODY_RATE` bytes received, up to `LONGEST_BODY_SECONDS`."""
BODY_RATE = 16 * 1024
LONGEST_BODY_SECONDS = 60.0
WRITE_SECONDS = 30.0
"""For a peer that does not read its response."""
CLOSE_SECONDS = 2.0
"""For a peer to read the response to a request whose body the server has not read."""
_CHECK_SECONDS = 1.0

_log = structlog.get_logger(__name__)
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, ReadingTurns] = WeakKeyDictionary()
"""All listeners of an event loop share it."""


class _State(Enum):
    HEADER = auto()
    BODY = auto()
    RESPONSE = auto()
    """The request is complete, and its response is not."""
    IDLE = auto()
    """Between two requests; uvicorn's keep-alive timeout applies."""
    CLOSING = auto()
    """The response was sent before the whole body arrived. The rest is not read."""


class _Refused(Exception):
    """Ends the parsing of a request."""


class Connection(HttpToolsProtocol):
    """The callbacks of asyncio and of httptools' parser, which follow the state of the connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stalled: float | None = None
        """Time since which the peer reads nothing of a response."""
        self._refusal = HTTPStatus.BAD_REQUEST
        self._begun = False
        """Whether a part of a header was received."""
        self._running: RequestResponseCycle | None = None
        """The cycle whose response is next; `cycle` is the one of the last header."""
        self._enter(_State.HEADER)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        _make_room(self.connections)
        super().connection_made(transport)
        turns = _TURNS.setdefault(self.loop, ReadingTurns())
        self.flow = self._flow = TurnFlow(transport, turns)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flow.leave_body()
        self._disconnect()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # The transport closes after it; a write would raise an error.
        self._disconnect()

    def data_received(self, data: bytes) -> None:
        # In pieces, so that a request is refused before all that was read of it is parsed.
        for start in range(0, len(data), MAX_HEADER_BYTES):
            if self.transport.is_closing() or self._state is _State.CLOSING:
                return
            piece = data[start : start + MAX_HEADER_BYTES]
            if self._state is _State.IDLE:
                self._enter(_State.HEADER)
            state = self._state
            self._content = self._chunks = 0
            super().data_received(piece)
            if self._state is state:
                self._begun = self._begun or state is _State.HEADER
                self._count_framing(len(piece) - self._content)
        self._flow.received(len(data))

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise _Refused
        self._enter(_State.HEADER)
        self._begun = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state is _State.BODY:
            return  # a trailer, which nothing uses
        self._count(len(name) + len(value))
        if len(self.headers) >= MAX_HEADERS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._enter(_State.BODY)
        self._flow.enter_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        self._content += len(body)
        self._chunks += 1
        if self._chunks > _MAX_CHUNKS:
            raise _Refused
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._enter(_State.IDLE if self.cycle.response_complete else _State.RESPONSE)
        self._flow.leave_body()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        if self._state is _State.RESPONSE:
            self._enter(_State.IDLE)
        elif self._state is _State.BODY:
            # Not closed at once: with data that was not read, it would be reset and the response lost.
            self._enter(_State.CLOSING)
            self.flow.pause_reading()
            self.transport.write_eof()

    def pause_writing(self) -> None:
        self._stalled = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it when the parser failed, for which `_refusal` is the reason."""
        self._refuse(self._refusal)

    def close_if_late(self, now: float) -> bool:
        """Closes the connection if its peer has exceeded a deadline."""
        waited = now - self._since
        if self.transport.is_closing() or self._stalled is not None:
            late = now - (self._stalled or self._since) > WRITE_SECONDS
        elif self._state is _State.BODY:
            late = waited > min(BODY_SECONDS + self._received / BODY_RATE, LONGEST_BODY_SECONDS)
        elif self._state is _State.CLOSING:
            late = waited > CLOSE_SECONDS
        else:
            late = self._state is _State.HEADER and waited > HEADER_SECONDS
        if late:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        return late

    @property
    def waiting_since(self) -> float | None:
        """Time since which the connection waits for its peer; None while a response is due."""
        return None if self._state is _State.RESPONSE else self._since

    def abort(self) -> None:
        self._disconnect()
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _disconnect(self) -> None:
        """Before the transport closes: nothing writes to it any more. uvicorn stops only the last request."""
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _enter(self, state: _State) -> None:
        self._state = state
        self._since = self.loop.time()
        self._received = self._framing = 0
        self._begun = False

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > MAX_HEADER_BYTES:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _Refused

    def _count_framing(self, size: int) -> None:
        """Counts bytes that belong neither to a body nor to a complete header."""
        self._framing += size
        limit, status = MAX_HEADER_BYTES, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if self._state is _State.BODY:
            limit, status = limit + self._received // _FRAMING_RATE, HTTPStatus.BAD_REQUEST
        if self._framing > limit:
            self._refuse(status)

    def _refuse(self, status: HTTPStatus) -> None:
        """Closes the connection, with a response if the peer expects one now and can read it."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.abort()
            return
        expected = self._expects_response()
        self._disconnect()
        if expected:
            message = f"{status.phrase}\n"
            self.transport.write(
                f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
                f"content-length: {len(message)}\r\nconnection: close\r\n\r\n{message}".encode()
            )
        self.transport.close()

    def _expects_response(self) -> bool:
        if self._state is _State.HEADER:
            return self._begun and (self.cycle is None or self.cycle.response_complete)
        return self._state is _State.BODY and self.cycle is self._running and not self.cycle.response_started


async def close_late(connections: Iterable[object]) -> None:
    """Closes connections that exceed a deadline, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        now = loop.time()
        own = [connection for connection in connections if isinstance(connection, Connection)]
        closed = sum(connection.close_if_late(now) for connection in own)
        if closed:
            _log.info("slow connections closed", count=closed)


def _make_room(connections: Collection[object]) -> None:
    if len(connections) < MAX_CONNECTIONS:
        return
    waiting = {
        connection: connection.waiting_since
        for connection in connections
        if isinstance(connection, Connection) and not connection.transport.is_closing()
    }
    since = {connection: time for connection, time in waiting.items() if time is not None}
    if since:
        min(since, key=since.__getitem__).abort()
