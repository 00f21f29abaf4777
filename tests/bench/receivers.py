"""Servers under load, each a separate program: `python -m tests.bench.receivers KIND [URL]`.

`greenroom` stores at the URL, `verify` stores nothing. Both run in the bot's own server; the first line that
they print is their port.
"""

from __future__ import annotations

import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.intake.signature import verify
from bot.logging import set_up_logging
from bot.server import listen, run
from bot.store import Store
from bot.web.application import create_application
from bot.web.health import health_routes
from bot.web.metrics import Metrics
from bot.web.webhooks import WebhookEndpoint
from tests.bench.load import SECRET


class Verify:
    """The signature and nothing else."""

    waker = None

    def __init__(self) -> None:
        self.web = Starlette(routes=[Route("/webhooks", self._receive, methods=["POST"])])

    async def start(self) -> None:
        pass

    async def drain(self, timeout_seconds: float) -> None:
        pass

    async def _receive(self, request: Request) -> Response:
        genuine = verify([SECRET], await request.body(), request.headers["x-hub-signature-256"].encode())
        return JSONResponse({}, status_code=202 if genuine else 401)


class Greenroom:
    """The webhook route with health, metrics and store."""

    waker = None

    def __init__(self, url: str) -> None:
        self._url = url

    async def start(self) -> None:
        self._store = await Store.open(self._url)
        await self._store.migrate()
        endpoint = WebhookEndpoint(self._store.deliveries, [SECRET.decode()], Metrics())
        self.web = create_application([endpoint.route(), *health_routes({})])

    async def drain(self, timeout_seconds: float) -> None:
        await self._store.close()


if __name__ == "__main__":
    set_up_logging("info")
    listener = listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    run(Greenroom(sys.argv[2]) if sys.argv[1] == "greenroom" else Verify(), listener)
