"""A small application under `bot.server`, run as a process of its own by the tests.

Its one argument names what is slow: `nothing`, `start`, `request` or `drain`. It prints its steps to stdout.
"""

from __future__ import annotations

import asyncio
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.logging import set_up_logging
from bot.server import address, listen, run

SLOW = sys.argv[1]


def report(step: str) -> None:
    print(step, flush=True)


class SmallApplication:
    waker = None

    def __init__(self) -> None:
        self.web = Starlette(routes=[Route("/", self.answer)])

    async def start(self) -> None:
        report("starting")
        await asyncio.sleep(60 if SLOW == "start" else 0)
        report("started")

    async def answer(self, _: Request) -> Response:
        report("request")
        await asyncio.sleep(1 if SLOW == "request" else 0)
        return PlainTextResponse("answered")

    async def drain(self, timeout_seconds: float) -> None:
        report(f"draining within {timeout_seconds:.0f}")
        await asyncio.sleep(60 if SLOW == "drain" else 0)
        report("drained")


set_up_logging()
listener = listen("127.0.0.1", 0)
report(address(listener))
run(SmallApplication(), listener)
report("ended")
