"""Fixtures: an HTTP server in this process, with the event loop of `greenroom serve` and short deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from bot import connections
from bot.connections import Connection, close_late
from bot.server import listen

LARGE = b"a" * 4_000_000
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and responds with the path; with much at /large, with the body's size at /size.

    /unread does not read the body.
    """
    size, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = {"/large": LARGE, "/size": b"%d" % size}.get(scope["path"], scope["path"].encode())
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "WRITE_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(connections, name, 0.5)
    monkeypatch.setattr(connections, "_CHECK_SECONDS", 0.05)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(application, http=Connection, ws="none", lifespan="off", log_config=None)
    )
    serving = asyncio.create_task(server._serve([listener]))
    limiting = asyncio.create_task(close_late(server.server_state.connections))
    opened: list[asyncio.StreamWriter] = []

    async def open_connection() -> Stream:
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        opened.append(writer)
        return reader, writer

    yield open_connection
    for writer in opened:
        writer.transport.abort()
    limiting.cancel()
    server.should_exit = server.force_exit = True
    await serving


async def response(stream: Stream, request: bytes = b"") -> bytes:
    """What the server sends until it closes the connection."""
    reader, writer = stream
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
