"""The web application: routes, security headers, and error responses without internal details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


ErrorPage = Callable[[int, str], Response]
"""A page for browsers, from the status code and the reason."""


def create_application(routes: Sequence[BaseRoute], error_page: ErrorPage | None = None) -> ASGIApp:
    """Errors are pages for browsers, if there is an error page, and plain text for other clients."""

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code in (204, 304):
            return Response(status_code=error.status_code, headers=error.headers)
        if error_page is not None and _accepts_html(request):
            page = error_page(error.status_code, error.detail)
            page.headers.update(error.headers or {})
            return page
        return PlainTextResponse(f"{error.detail}\n", status_code=error.status_code, headers=error.headers)

    def internal_error(request: Request, _: Exception) -> Response:
        # Created outside the middleware, so it sets the headers itself. Starlette raises the exception again
        # afterwards, and the server logs it.
        status, text = HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error; see the bot's log."
        headers = {name.decode(): value.decode() for name, value in _HEADERS.items()}
        if error_page is not None and _accepts_html(request):
            page = error_page(status, text)
            page.headers.update(headers)
            return page
        return PlainTextResponse(f"{text}\n", status_code=status, headers=headers)

    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: http_error, Exception: internal_error},
    )


def _accepts_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


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
