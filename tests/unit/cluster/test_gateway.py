"""Requests through the gateway, to well-behaved and faulty servers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cluster.routing.gateway import HttpGateway
from bot.environments.side_by_side import first_answer
from bot.model.connection import ConnectionFailure
from bot.settings import Domain
from tests.kubernetes.certificates import Authority

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answering(*lines: str, body: bytes = b"") -> Serve:
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return serve


def gateway(port: int, host: str = "preview.example.com") -> HttpGateway:
    return HttpGateway(Domain("http", host, None), f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        (Domain("https", "preview.example.com", None), "https://pr-7-shop.preview.example.com"),
        (Domain("http", "localhost", 8080), "http://pr-7-shop.localhost:8080"),
    ],
)
def test_url_has_scheme_host_and_port(domain: Domain, url: str):
    made = HttpGateway(domain)
    assert made.url(made.host("pr-7-shop")) == url
    assert made.host("pr-7-shop") == f"pr-7-shop.{domain.host}"


async def test_get_sends_the_host_header_to_the_address():
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nGreenroom-Release: abc\r\nContent-Length: 2\r\n\r\nhi")

    async with serving(serve) as port, gateway(port) as made:
        answer = await made.get(made.host("pr-7"), "/healthz?deep=1")
    assert (answer.status, answer.release_id, answer.body, answer.error) == (200, "abc", "hi", "")
    assert asked[0].startswith(b"GET /healthz?deep=1 HTTP/1.1\r\n")
    assert b"\r\nHost: pr-7.preview.example.com\r\n" in asked[0]


async def test_localhost_names_resolve_to_loopback():
    async with (
        serving(answering("HTTP/1.1 204 No Content")) as port,
        HttpGateway(Domain("http", "localhost", port)) as made,
    ):
        assert (await made.get(made.host("pr-7"), "/")).status == 204


async def test_get_does_not_follow_redirects():
    serve = answering("HTTP/1.1 302 Found", "Location: http://169.254.169.254/", "Content-Length: 0")
    async with serving(serve) as port, gateway(port) as made:
        assert (await made.get(made.host("pr-7"), "/")).status == 302


async def test_get_keeps_no_cookies():
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n")

    async with serving(serve) as port, gateway(port) as made:
        await made.get(made.host("pr-7"), "/")
        await made.get(made.host("pr-8"), "/")
    assert b"session=1" not in asked[1]


async def test_get_reads_at_most_four_kilobytes():
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n\x1b[31m")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(serve) as port, gateway(port) as made:
        answer = await made.get(made.host("pr-7"), "/")
    assert answer.status == 500
    assert 4000 < len(answer.body) <= 4096
    assert "\x1b" not in answer.body


async def test_get_times_out_after_five_seconds():
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                # A byte now and then keeps a read from timing out, but not the whole.
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(1)

    started = time.perf_counter()
    async with serving(serve) as port, gateway(port) as made:
        answer = await made.get(made.host("pr-7"), "/")
    assert (answer.status, answer.error) == (None, "no answer within 5 s")
    assert time.perf_counter() - started < 6


@pytest.mark.parametrize("path", ["/\x7f", "/" + "x" * 70_000, "/é", "//evil.example.com/", "/%zz"])
async def test_get_never_raises_for_a_path(path: str):
    async with serving(answering("HTTP/1.1 200 OK", "Content-Length: 0")) as port, gateway(port) as made:
        answer = await made.get(made.host("pr-7"), path)
    assert answer.status == 200 or answer.error


async def test_get_reports_refused_connections():
    async with serving(answering()) as port:
        pass
    async with gateway(port) as made:
        answer = await made.get(made.host("pr-7"), "/")
    assert answer.status is None
    assert answer.error == f"nothing listens at 127.0.0.1:{port} (connection refused)"
    assert answer.failure is ConnectionFailure.REFUSED


async def test_private_authority_requires_ca_file(tmp_path: Path):
    authority = Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.server("gateway", "*.preview.example.com"))
    domain = Domain("https", "preview.example.com", None)
    async with serving(answering("HTTP/1.1 200 OK", "Content-Length: 0"), tls) as port:
        address = f"127.0.0.1:{port}"
        async with HttpGateway(domain, address, str(authority.certificate)) as trusting:
            assert (await trusting.get(trusting.host("pr-7-shop"), "/")).status == 200
        async with HttpGateway(domain, address) as wary:
            answer = await wary.get(wary.host("pr-7-shop"), "/")
    assert answer.status is None
    assert "certificate" in answer.error.lower()


async def test_get_uses_the_host_of_a_stage_unchanged():
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    domain = Domain("http", "preview.example.com", None)
    async with serving(serve) as port, HttpGateway(domain, f"127.0.0.1:{port}") as made:
        assert (await made.get("shop.example.com", "/")).status == 204
        assert made.url("shop.example.com") == "http://shop.example.com"
    assert b"\r\nHost: shop.example.com\r\n" in asked[0]


def hanging_at_first(hangs: int, release: str = "abc") -> tuple[Serve, list[float]]:
    """Does not answer this many requests, as a gateway that still has the address of a pod that ended."""
    started: list[float] = []

    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        started.append(time.monotonic())
        if len(started) <= hangs:
            await asyncio.sleep(30)
        writer.write(f"HTTP/1.1 200 OK\r\nGreenroom-Release: {release}\r\nContent-Length: 0\r\n\r\n".encode())

    return serve, started


async def test_requests_side_by_side_pass_over_one_that_hangs():
    serve, started = hanging_at_first(2)
    began = time.monotonic()
    async with serving(serve) as port, gateway(port) as made:
        answer = await first_answer(
            lambda: made.get(made.host("pr-7"), "/", limit=timedelta(seconds=2)), lambda _: True, 3, 0.1
        )
        assert answer.release_id == "abc"
        assert time.monotonic() - began < 1.5
        assert len(started) == 3
        assert await eventually_closed(port), "the cancelled requests keep their connections"


def connections_to(port: int) -> int:
    """Established connections to a port of loopback, by the kernel's table."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


async def eventually_closed(port: int) -> bool:
    for _ in range(50):
        if not connections_to(port):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_timeout_differs_from_an_error():
    serve, _ = hanging_at_first(1)
    async with serving(serve) as port, gateway(port) as made:
        late = await made.get(made.host("pr-7"), "/", limit=timedelta(seconds=0.2))
    assert (late.status, late.timed_out, late.error) == (None, True, "no answer within 0.2 s")
    async with gateway(port) as made:
        refused = await made.get(made.host("pr-7"), "/")
    assert (refused.status, refused.timed_out) == (None, False)
