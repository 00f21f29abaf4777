"""A page on loopback that sends the App's manifest to GitHub and receives the code of the registration."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from bot.github.resources.registration import RegisteredApp
from bot.model.errors import GreenroomError, Unavailable

_RETURN = "/registered"
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;"
    "padding:0 1rem}button{font:inherit;padding:.5rem 1rem}"
)


class RegistrationFailed(GreenroomError):
    """The App was not registered; the message explains what to do."""


class Registration:
    """Serves the page until the browser returns with a code. Use it as a context manager.

    Only a browser that has `url` can start, and only the browser that started can return, because the
    state is sent once.
    """

    def __init__(
        self,
        port: int,
        page: Callable[[str], str],
        manifest: Callable[[str], Mapping[str, Any]],
        exchange: Callable[[str], RegisteredApp],
    ) -> None:
        """`page` maps the state to GitHub's page, `manifest` the redirect URL to the App's manifest.

        `exchange` runs in a thread of the server. Raises RegistrationFailed when the port is in use.
        """
        self._page = page
        self._manifest = manifest
        self._exchange = exchange
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._state: str | None = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._result: Future[RegisteredApp] = Future()
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except OSError as error:
            raise RegistrationFailed(
                f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Set --port to a free one."
            ) from None
        self._address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The page to open in a browser."""
        return f"http://{self._address}{self._path}"

    def wait(self, seconds: float) -> RegisteredApp:
        """The App, when the browser has returned. Raises RegistrationFailed."""
        try:
            return self._result.result(seconds)
        except NotInTime:
            raise RegistrationFailed(
                f"The App was not registered within {seconds / 60:.0f} minutes. Run the command again."
            ) from None

    def respond(self, host: str, target: str) -> tuple[int, str]:
        """Status and page for a GET request."""
        if host != self._address:
            return 421, _html(
                "Wrong address", f"<p>Open the address that the terminal shows: {self._address}"
            )
        parts = urlsplit(target)
        if hmac.compare_digest(parts.path.encode(), self._path.encode()):
            return self._start()
        if parts.path == _RETURN:
            query = parse_qs(parts.query)
            return self._finish(query.get("state", [""])[0], query.get("code", [""])[0])
        return 404, _html("Not found", "<p>Open the address that the terminal shows.")

    def _start(self) -> tuple[int, str]:
        if self._state is None:
            return 410, _html("Already registered", "<p>Return to the terminal.")
        manifest = self._manifest(f"http://{self._address}{_RETURN}")
        rights = "".join(
            f"<li>{escape(name.replace('_', ' '))}: {escape(level)}</li>"
            for name, level in manifest["default_permissions"].items()
        )
        return 200, _html(
            "Register the GitHub App",
            f"<p>GitHub will ask you to confirm the App <b>{escape(manifest['name'])}</b>, which receives "
            f"webhooks at {escape(manifest['hook_attributes']['url'])}. Its permissions:</p><ul>{rights}</ul>"
            f'<form method="post" action="{escape(self._page(self._state))}">'
            f'<input type="hidden" name="manifest" value="{escape(json.dumps(manifest))}">'
            "<button>Continue to GitHub</button></form>",
        )

    def _finish(self, state: str, code: str) -> tuple[int, str]:
        with self._lock:
            if self._state is None:
                return 410, _html("Already registered", "<p>Return to the terminal.")
            if not code or not hmac.compare_digest(state.encode(), self._state.encode()):
                return 403, _html("Unknown request", "<p>Start at the address that the terminal shows.")
            try:
                app = self._exchange(code)
            except Unavailable as error:
                return 502, _html("GitHub does not answer", f"<p>{escape(str(error))} Reload this page.")
            except GreenroomError as error:
                self._state = None
                failed = RegistrationFailed(f"{error} Run the command again.")
                self._result.set_exception(failed)
                return 400, _html("The App is not registered", f"<p>{escape(str(failed))}")
            self._state = None
            self._result.set_result(app)
        return 200, _html(
            f"{app.name} is registered",
            f'<p><a href="{escape(app.installation_url)}">Install it</a> on the repositories that need '
            "previews, and return to the terminal.",
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registration = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                status, page = registration.respond(self.headers.get("Host", ""), self.path)
                content = page.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header(
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
                )
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing: the request line contains the code."""

        return Handler


def _html(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )
