"""Shares the event loop between connections that send bodies: each iteration reads a limited number of bytes.

A read takes up to 256 KB from each client. Without a limit, one iteration reads that from all of them, and
every other request waits for it.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

BYTES_AT_ONCE = 1024 * 1024
"""Bytes of bodies in one iteration, before those that have not been read in it wait for their turn."""
CONNECTIONS_AT_ONCE = 4
"""Number of waiting connections that are read in one iteration."""


class ReadingTurns:
    """Stops reading bodies at the limit; in each following iteration the next connections have their turn."""

    def __init__(self) -> None:
        self._reading: set[TurnFlow] = set()
        self._waiting: dict[TurnFlow, None] = {}
        """Waiting connections in the order of their turns."""
        self._bytes = 0
        self._scheduled = False

    def join(self, flow: TurnFlow) -> None:
        """The connection begins to read a body."""
        self._reading.add(flow)

    def leave(self, flow: TurnFlow) -> None:
        """The connection reads no body, or its reader does not keep up."""
        self._reading.discard(flow)
        self._waiting.pop(flow, None)

    def received(self, size: int) -> None:
        """Counts a part of a body; at the limit, all bodies wait."""
        self._bytes += size
        self._schedule()
        if self.exhausted:
            for flow in self._reading:
                flow.suspend()
                self._waiting[flow] = None
            self._reading.clear()

    @property
    def exhausted(self) -> bool:
        return self._bytes >= BYTES_AT_ONCE

    def wait(self, flow: TurnFlow) -> None:
        """The connection can read on, when it is its turn."""
        if self._waiting or self.exhausted:
            self._waiting[flow] = None
            self._schedule()
        else:
            self._begin(flow)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._scheduled, self._bytes = False, 0
        for flow in list(self._waiting)[:CONNECTIONS_AT_ONCE]:
            del self._waiting[flow]
            self._begin(flow)
        if self._waiting:
            self._schedule()

    def _begin(self, flow: TurnFlow) -> None:
        self._reading.add(flow)
        flow.begin()


class TurnFlow(FlowControl):
    """The flow control of one connection, which takes turns while it reads a body."""

    def __init__(self, transport: asyncio.Transport, turns: ReadingTurns) -> None:
        super().__init__(transport)
        self._turns = turns
        self._in_body = False

    def enter_body(self) -> None:
        self._in_body = True
        self._turns.join(self)

    def leave_body(self) -> None:
        """Reading goes on, unless uvicorn has paused it."""
        self._in_body = False
        self._turns.leave(self)

    def received(self, size: int) -> None:
        if self._in_body:
            self._turns.received(size)

    def pause_reading(self) -> None:
        self._turns.leave(self)
        super().pause_reading()

    def resume_reading(self) -> None:
        if not self.read_paused:
            return
        if self._in_body:
            self._turns.wait(self)
        else:
            super().resume_reading()

    def suspend(self) -> None:
        if not self._transport.is_closing():
            super().pause_reading()

    def begin(self) -> None:
        if not self._transport.is_closing():
            super().resume_reading()
