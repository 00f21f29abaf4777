"""The web application: routes, security headers, and error responses without internal details."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    b"content-security-policy": b"default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


def create_application(routes: Sequence[BaseRoute]) -> ASGIApp:
    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )


class SecurityHeaders:
    """Middleware that adds each security header that the response does not set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                present = dict(headers)
                headers += [header for header in _HEADERS.items() if header[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    return PlainTextResponse(f"{error.detail}\n", status_code=error.status_code, headers=error.headers)


async def _internal_error(_: Request, __: Exception) -> Response:
    # Created outside the middleware, so it sets the headers itself. Starlette raises the exception again
    # afterwards, and the server logs it.
    return PlainTextResponse(
        "Internal error; see the bot's log.\n",
        status_code=HTTPStatus.INTERNAL_SERVER_ERROR,
        headers={name.decode(): value.decode() for name, value in _HEADERS.items()},
    )
