"""Limits of what surrounds the bytes of a body, and the end of a connection whose body is not read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from bot import connections
from tests.unit.server.conftest import Connect, Stream, response

CHUNKED = b"POST %s HTTP/1.1\r\nHost: bot\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")


async def pump(stream: Stream, head: bytes, endless: bytes) -> bytes:
    """The response to a request that goes on until the server closes the connection."""
    writer = stream[1]
    writer.write(head)
    reading = asyncio.ensure_future(response(stream))
    with contextlib.suppress(ConnectionError):
        while not reading.done():
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0)
    return await reading


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b"1\r\na\r\n" * 1000),
        (b"", b"100\r\n" + b"a" * 256 + b"\r\n1;a=" + b"b" * 500 + b"\r\na\r\n"),
        (b"5;a=", b"b" * 5000),
        (b"", b"0" * 5000),
        (b"0\r\nX-A: ", b"a" * 5000),
        (b"0\r\n", b"a:\r\n" * 1000),
    ],
    ids=["tiny chunks", "extensions", "endless extension", "size", "trailer", "trailers"],
)
@pytest.mark.parametrize("path", [b"/size", b"/unread"])
async def test_framing_without_a_body_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, path: bytes, start: bytes, endless: bytes
) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 60)
    answer = await pump(await connect(), CHUNKED % path + start, endless)
    refused = answer.startswith((b"HTTP/1.1 400 ", b"reset"))
    assert refused or (path == b"/unread" and answer.startswith(b"HTTP/1.1 200 "))


@pytest.mark.parametrize("endless", [b"1\na\n" * 100, b"1\r\na\n" * 100])
async def test_bare_line_feeds_are_refused(connect: Connect, endless: bytes) -> None:
    answer = await pump(await connect(), CHUNKED % b"/size", endless)
    assert answer.startswith((b"HTTP/1.1 400 ", b"reset"))


async def test_empty_lines_between_requests_are_refused(connect: Connect) -> None:
    answer = await pump(await connect(), b"", b"\r\n" * 1000)
    assert answer.startswith((b"HTTP/1.1 431 ", b"reset"))


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"1\r\na\r\n" * 200 + b"0\r\n\r\n", 200),
        ((b"200\r\n" + b"a" * 512 + b"\r\n") * 4000 + b"0\r\n\r\n", 4000 * 512),
        (b"186a0;a=b\r\n" + b"a" * 100_000 + b"\r\n0\r\nX-Sum: " + b"b" * 1000 + b"\r\n\r\n", 100_000),
    ],
    ids=["tiny chunks", "many chunks", "extension and trailer"],
)
async def test_chunked_body_is_read(connect: Connect, body: bytes, size: int) -> None:
    reader, writer = await connect()
    writer.write(CHUNKED % b"/size" + body)
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert int(await reader.readexactly(len(str(size)))) == size


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED % b"/unread" + b"3\r\nabc\r\n",
        CHUNKED % b"/unread",
        b"GET /unread HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nabc",
    ],
)
async def test_connection_closes_after_the_response_when_the_body_is_not_read(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 60)
    reader, writer = await connect()
    received: list[int] = []
    receive = connections.Connection.data_received

    def count(connection: connections.Connection, data: bytes) -> Any:
        received.append(len(data))
        receive(connection, data)

    monkeypatch.setattr(connections.Connection, "data_received", count)
    answer = await response((reader, writer), request_)
    assert answer.endswith(b"\r\n\r\n/unread"), "the whole response, then the end"
    before = len(received)
    with contextlib.suppress(ConnectionError):
        for _ in range(20):
            writer.write(b"1\r\na\r\n" * 1000)
            await asyncio.sleep(0.01)
    assert len(received) == before, "nothing more is read"
    async with asyncio.timeout(5):
        while not writer.is_closing():
            await asyncio.sleep(0.05)
            writer.write(b"a")


async def test_unread_body_that_has_arrived_leaves_the_connection_open(connect: Connect) -> None:
    reader, writer = await connect()
    for _ in range(3):
        writer.write(b"GET /unread HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n/unread")
