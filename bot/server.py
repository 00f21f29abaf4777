"""Runs the application until a signal. The first signal drains it, the second one ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from bot.connections import Connection, close_late

DRAIN_SECONDS = 30.0
"""The time from the first signal until the process ends."""
_REQUEST_SECONDS = 5
"""The part of it for running requests."""
_CLOSING_SECONDS = 7
"""The part of it for returning unfinished work to the queue and for closing."""
_KEEP_ALIVE_SECONDS = 75
"""Longer than the idle timeout of gateways, so that the gateway closes idle connections first."""
_GC_ALLOCATIONS = 10_000
"""Between two garbage collections; Python's default of 700 costs up to a tenth of the time of a webhook."""

_log = structlog.get_logger(__name__)


class Application(Protocol):
    @property
    def web(self) -> ASGIApp: ...

    @property
    def waker(self) -> ASGIApp | None:
        """What the second listener serves."""

    async def start(self) -> None: ...

    async def drain(self, timeout_seconds: float) -> None:
        """Finishes running work, returns the rest to the queue and closes everything."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; OSError when the address is in use or does not belong to this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address(listener: socket.socket) -> str:
    """The URL of the socket, such as `http://127.0.0.1:8000`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(application: Application, listener: socket.socket, waker: socket.socket | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains. Raises the errors of `start`.

    `waker` is the listener of the application's second part.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(application, listener, waker))


async def _run(application: Application, listener: socket.socket, waker: socket.socket | None) -> None:
    stopping = _first_signal()
    try:
        if await _started(application, stopping):
            _log.info("listening", address=address(listener))
            _limit_garbage_collection()
            parts = [(application.web, listener)]
            if waker is not None and application.waker is not None:
                parts.append((application.waker, waker))
            await _serve(parts, stopping)
    finally:
        since = stopping.result() if stopping.done() else time.monotonic()
        await _drain(application, since + DRAIN_SECONDS - time.monotonic())


async def _started(application: Application, stopping: asyncio.Future[float]) -> bool:
    """Returns False when a signal arrives before the application has started."""
    starting = asyncio.ensure_future(application.start())
    await _first(starting, stopping)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return False
    await starting
    return True


async def _serve(parts: Sequence[tuple[ASGIApp, socket.socket]], stopping: asyncio.Future[float]) -> None:
    """Each part has connections of its own, so that those of one cannot use up those of the other."""
    servers = [_server(web) for web, _ in parts]
    serving = [
        asyncio.create_task(server.serve([listener]))
        for server, (_, listener) in zip(servers, parts, strict=True)
    ]
    limiting = [asyncio.create_task(close_late(server.server_state.connections)) for server in servers]
    await _first(*serving, stopping)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*serving)
    for task in limiting:
        task.cancel()


def _server(web: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            web,
            http=Connection,
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,  # the client's address and scheme are not used
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_REQUEST_SECONDS,
        )
    )


def _limit_garbage_collection() -> None:
    """Excludes all existing objects: they live long, and a full collection would stop requests for 0.1 s."""
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS)


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _drain(application: Application, seconds: float) -> None:
    _log.info("draining", seconds=round(seconds, 1))
    try:
        async with asyncio.timeout(seconds):
            await application.drain(max(seconds - _CLOSING_SECONDS, 0))
    except TimeoutError:
        _log.error("drain timed out, other replicas continue the work")
    else:
        _log.info("drained")


def _first_signal() -> asyncio.Future[float]:
    """A future with the monotonic time of the first signal. The next signal has its default effect."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    stopping: asyncio.Future[float] = loop.create_future()

    def stop() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stopping.set_result(time.monotonic())

    for number in signals:
        loop.add_signal_handler(number, stop)
    return stopping


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to this module: uvicorn would end the process before it is drained."""
        yield
