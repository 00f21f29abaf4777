"""Many large bodies at once do not delay other requests."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from bot import connections, reading_turns
from bot.connections import Connection
from tests.unit.server.conftest import Connect, response

pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")

CLIENTS = 60
BODY = 500_000
_HEAD = b"POST /size HTTP/1.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % BODY
_LARGEST_READ = 256_000
"""What uvloop reads at once from one client."""


class Reads:
    """Bytes that the server received: in all, and the most in one iteration of the event loop."""

    total = most = current = 0

    def add(self, size: int) -> None:
        if not self.current:
            asyncio.get_running_loop().call_soon(self._end)
        self.total += size
        self.current += size
        self.most = max(self.most, self.current)

    def _end(self) -> None:
        self.current = 0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, short: None) -> None:
    """A busy machine ends no body."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 60)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counted, receive = Reads(), Connection.data_received

    def data_received(connection: Connection, data: bytes) -> None:
        counted.add(len(data))
        receive(connection, data)

    monkeypatch.setattr(Connection, "data_received", data_received)
    return counted


async def send(connect: Connect, clients: int) -> list[asyncio.Task[bytes]]:
    """Bodies that wait in the buffers of the operating system while the server does something else."""
    streams = [await connect() for _ in range(clients)]
    for _, writer in streams:
        writer.write(_HEAD)
    await asyncio.sleep(0.1)
    for _, writer in streams:
        sock: socket.socket = writer.get_extra_info("socket")
        with socket.fromfd(sock.fileno(), sock.family, sock.type) as blocking:
            sent = blocking.send(bytes(BODY))
        writer.write(bytes(BODY - sent))
    time.sleep(0.05)  # noqa: ASYNC251  # nothing is read meanwhile
    return [asyncio.create_task(response(stream)) for stream in streams]


async def test_request_is_answered_while_bodies_wait(connect: Connect, reads: Reads) -> None:
    other, writer = await connect()
    bodies = await send(connect, CLIENTS)
    writer.write(b"GET /x HTTP/1.1\r\nHost: bot\r\n\r\n")
    await other.readuntil(b"\r\n\r\n")
    assert reads.total < CLIENTS * BODY // 3
    assert await other.readexactly(2) == b"/x"
    assert {answer.rpartition(b"\r\n\r\n")[2] for answer in await asyncio.gather(*bodies)} == {b"%d" % BODY}


async def test_one_iteration_reads_a_limited_number_of_bytes(connect: Connect, reads: Reads) -> None:
    await asyncio.gather(*await send(connect, CLIENTS))
    assert reads.total > CLIENTS * BODY
    assert reads.most <= reading_turns.BYTES_AT_ONCE + _LARGEST_READ


async def test_bodies_that_wait_do_not_hold_the_turn_of_others(
    connect: Connect, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_turns, "BYTES_AT_ONCE", 1)
    silent = [await connect() for _ in range(CLIENTS)]
    for _, writer in silent:
        writer.write(_HEAD)
    answers = await asyncio.gather(*await send(connect, 4))
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in answers] == [b"%d" % BODY] * 4


async def test_clients_that_leave_while_they_wait_cause_no_error(
    connect: Connect, reads: Reads, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_turns, "BYTES_AT_ONCE", 1)
    bodies = await send(connect, CLIENTS)
    await asyncio.sleep(0.01)
    for body in bodies[::2]:
        body.cancel()
    stream = await connect()
    stream[1].write(b"GET /x HTTP/1.1\r\nHost: bot\r\n\r\n")
    assert b" 200 " in await stream[0].readline()
    await asyncio.gather(*bodies, return_exceptions=True)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
