"""Limits of one HTTP connection, and of their number."""

from __future__ import annotations

import asyncio

import pytest

from bot import connections
from tests.unit.server.conftest import LARGE, Connect, Stream, response

pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")


async def ask(stream: Stream, path: bytes = b"/x") -> bytes:
    """The first line of the response to a whole request."""
    reader, writer = stream
    writer.write(b"GET %s HTTP/1.1\r\nHost: bot\r\n\r\n" % path)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(path))
    return head.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408 "),
        (b"GET / HTTP/1.1\r\nHost: bot\r\nX-A", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"HTTP/1.1 408 "),
        (b"\r\n\r\n", b"HTTP/1.1 408 "),
    ],
)
async def test_unfinished_request_ends_at_its_deadline(connect: Connect, sent: bytes, status: bytes) -> None:
    answer = await response(await connect(), sent)
    assert answer.startswith(status)
    assert bool(answer) == bool(status), "a peer that sent nothing expects no response"


@pytest.mark.parametrize(
    "unfinished", [b"GET / HT", b"\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
async def test_deadline_applies_to_each_request_of_a_connection(connect: Connect, unfinished: bytes) -> None:
    stream = await connect()
    for _ in range(3):
        assert await ask(stream) == b"HTTP/1.1 200 OK"
    assert (await response(stream, unfinished)).startswith(b"HTTP/1.1 408 ")


async def drip(stream: Stream, piece: bytes) -> bytes:
    """The response to a request that goes on in small pieces until the response arrives."""
    reading = asyncio.ensure_future(response(stream))
    while not (await asyncio.wait([reading], timeout=0.05))[0]:
        stream[1].write(piece)
    return reading.result()


def timed_out(answer: bytes) -> bool:
    """A peer that goes on sending may find the connection reset before it reads the response."""
    return answer.startswith(b"HTTP/1.1 408 ") or answer == b"reset"


@pytest.mark.parametrize("piece", [b"X-A: b\r\n", b"a"])
async def test_header_in_drops_ends_at_its_deadline(connect: Connect, piece: bytes) -> None:
    stream = await connect()
    stream[1].write(b"GET / HTTP/1.1\r\nX-A: ")
    assert timed_out(await drip(stream, piece))


@pytest.mark.parametrize(("size", "in_time"), [(100, True), (5, False)])
async def test_body_has_as_much_time_as_its_rate_earns(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int, in_time: bool
) -> None:
    monkeypatch.setattr(connections, "BODY_RATE", 1000)
    stream = await connect()
    stream[1].write(b"POST /x HTTP/1.1\r\nContent-Length: 2000\r\nConnection: close\r\n\r\n")
    answer = await drip(stream, b"a" * size)
    assert answer.startswith(b"HTTP/1.1 200 ") if in_time else timed_out(answer)


async def test_body_ends_at_its_last_deadline(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_BODY_SECONDS", 1.0)
    stream = await connect()
    stream[1].write(b"POST /x HTTP/1.1\r\nContent-Length: 99000000\r\n\r\n")
    assert timed_out(await drip(stream, b"a" * 100_000))


@pytest.mark.parametrize(
    "header",
    [
        b"X-A: " + b"a" * 200_000,
        b"a:\r\n" * 102,
        b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(40)),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
async def test_large_header_is_refused(connect: Connect, header: bytes, end: bytes) -> None:
    answer = await response(await connect(), b"GET / HTTP/1.1\r\n" + header + end)
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b"reset"


async def test_large_url_is_refused(connect: Connect) -> None:
    answer = await response(await connect(), b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_usual_large_header_is_accepted(connect: Connect) -> None:
    header = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 300) for number in range(90))
    reader, writer = await connect()
    writer.write(b"GET /x HTTP/1.1\r\n" + header + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_what_is_no_http_is_refused(connect: Connect) -> None:
    assert (await response(await connect(), b"\x16\x03\x01\n\n")).startswith(b"HTTP/1.1 400 ")


async def test_few_pipelined_requests_are_answered_in_order(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(5)))
    bodies = []
    for _ in range(5):
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readexactly(2))
    assert bodies == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_many_pipelined_requests_close_the_connection(connect: Connect) -> None:
    answer = await response(await connect(), b"GET / HTTP/1.1\r\n\r\n" * 1000)
    assert answer.count(b"HTTP/1.1 200") < 20


async def test_peer_that_does_not_read_its_response_is_disconnected(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET /large HTTP/1.1\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a reading transport
    await asyncio.sleep(1.5)
    writer.transport.resume_reading()  # type: ignore[attr-defined]  # a reading transport
    assert len(await response((reader, writer))) < len(LARGE)


async def test_oldest_waiting_connection_is_closed_for_a_new_one(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 60)
    waiting = []
    for _ in range(10):
        waiting.append(await connect())
        waiting[-1][1].write(b"GET / HT")
        await asyncio.sleep(0.01)
    for number in range(3):
        assert await ask(await connect()) == b"HTTP/1.1 200 OK"
        assert await response(waiting[number]) in (b"", b"reset")
    assert not waiting[3][0].at_eof()


@pytest.mark.parametrize(("requests", "sent"), [(1, b""), (5, b""), (9, b""), (12, b""), (3, b"GET / HT")])
@pytest.mark.parametrize("path", [b"/x", b"/large"])
@pytest.mark.parametrize("reset", [False, True])
async def test_peer_that_leaves_before_its_responses_causes_no_error(
    connect: Connect, caplog: pytest.LogCaptureFixture, requests: int, sent: bytes, path: bytes, reset: bool
) -> None:
    for _ in range(5):
        _, writer = await connect()
        writer.write(b"GET %s HTTP/1.1\r\n\r\n" % path * requests + sent)
        if reset:
            await asyncio.sleep(0.01)
            writer.transport.abort()
        else:
            writer.close()
    await asyncio.sleep(0.3)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
