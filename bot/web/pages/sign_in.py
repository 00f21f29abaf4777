"""Sign-in with GitHub: the App's web application flow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.model.errors import GreenroomError
from bot.model.person import Person
from bot.web.pages.session import Sessions, SignInAttempt
from bot.web.pages.site import Site, own_path

CALLBACK = "/sign-in/callback"

_log = structlog.get_logger(__name__)


class Flow(Protocol):
    """Raises GreenroomErrors without tokens and secrets in their messages."""

    def address(self, *, state: str, challenge: str, redirect_uri: str) -> str: ...

    async def person(self, *, code: str, verifier: str, redirect_uri: str) -> Person: ...


class SignInPages:
    def __init__(self, site: Site, flow: Flow, sessions: Sessions) -> None:
        self._site = site
        self._flow = flow
        self._sessions = sessions
        self._redirect_uri = site.public_url + CALLBACK

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.show, methods=["GET"]),
            Route("/sign-in", self.begin, methods=["POST"]),
            Route(CALLBACK, self.end, methods=["GET"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        next_path = own_path(request.query_params.get("next", "/"))
        if self._sessions.person(request) is not None:
            return self._site.redirect(next_path)
        return self._site.page("sign_in.html", None, next_path=next_path)

    async def begin(self, request: Request) -> Response:
        attempt = SignInAttempt(
            state=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next_path=own_path(request.query_params.get("next", "/")),
        )
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        address = self._flow.address(
            state=attempt.state, challenge=challenge, redirect_uri=self._redirect_uri
        )
        response = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
        self._sessions.remember(response, attempt)
        return response

    async def end(self, request: Request) -> Response:
        attempt = self._sessions.attempt(request)
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if attempt is None or not hmac.compare_digest(attempt.state.encode(), state.encode()):
            return self._error_page(400, "The sign-in started in another browser, or has expired.")
        if not code:
            return self._error_page(403, "You denied access on GitHub.")
        try:
            person = await self._flow.person(
                code=code, verifier=attempt.verifier, redirect_uri=self._redirect_uri
            )
        except GreenroomError as error:
            _log.warning("sign-in failed", reason=str(error))
            return self._error_page(502, "GitHub did not confirm your identity; see the bot's log.")
        response = self._site.redirect(attempt.next_path)
        self._sessions.begin(response, person)
        return response

    async def sign_out(self, _: Request) -> Response:
        response = self._site.redirect("/sign-in")
        self._sessions.end(response)
        return response

    def _error_page(self, status: int, reason: str) -> Response:
        return self._site.error_page(None, status, "Sign-in failed", f"{reason} Try again.")
