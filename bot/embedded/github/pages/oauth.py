"""Sign-in for web applications: the authorization page and the exchange of the code."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.embedded.github.errors import GitHubError
from bot.embedded.github.pages.site import Site, same_origin
from bot.embedded.github.state.apps import Token

CODE_LIFETIME = timedelta(minutes=10)
_ERRORS = {
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": "The redirect_uri must match the one of the authorization.",
    "bad_verification_code": "The code passed is incorrect or expired.",
}


@dataclass(frozen=True)
class _Grant:
    login: str
    redirect_uri: str
    challenge: str
    expires_at: datetime


class OAuth:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._github = site.github
        self._grants: dict[str, _Grant] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/login/oauth/authorize", self.ask, methods=["GET"]),
            Route("/login/oauth/authorize", self.grant, methods=["POST"]),
            Route("/login/oauth/access_token", self.exchange, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        query = request.query_params
        if query.get("client_id") != self._github.credentials.client_id:
            return self._site.refusal(request, GitHubError(404, "There is no App with this client_id."))
        if urlsplit(query.get("redirect_uri", "")).scheme not in ("http", "https"):
            return self._site.refusal(
                request, GitHubError(422, "The redirect_uri must be an http(s) address.")
            )
        fields = {
            name: query.get(name, "") for name in ("client_id", "redirect_uri", "state", "code_challenge")
        }
        return self._site.page(request, "authorize.html", app=self._github.apps.app, fields=fields)

    async def grant(self, request: Request) -> Response:
        form = await request.form()
        account = self._github.world.state.accounts.get(str(form.get("login", "")).lower())
        redirect = str(form.get("redirect_uri", ""))
        usable = urlsplit(redirect).scheme in ("http", "https") and same_origin(request)
        if account is None or account.kind != "User" or not usable:
            return self._site.refusal(request, GitHubError(422, "Choose a user."))
        code = secrets.token_hex(10)
        expires = self._github.world.clock() + CODE_LIFETIME
        self._grants[code] = _Grant(account.login, redirect, str(form.get("code_challenge", "")), expires)
        answer = {"code": code} | ({"state": str(form["state"])} if form.get("state") else {})
        separator = "&" if urlsplit(redirect).query else "?"
        return RedirectResponse(redirect + separator + urlencode(answer), 303)

    async def exchange(self, request: Request) -> Response:
        form = await request.form()
        answer = self._token(form)
        if "json" in request.headers.get("accept", ""):
            return JSONResponse(answer)
        return Response(urlencode(answer), media_type="application/x-www-form-urlencoded")

    def _token(self, form: FormData) -> dict[str, str]:
        credentials = self._github.credentials
        secret = str(form.get("client_secret", ""))
        right = hmac.compare_digest(secret.encode(), credentials.client_secret.encode())
        if form.get("client_id") != credentials.client_id or not right:
            return _error("incorrect_client_credentials")
        grant = self._grants.pop(str(form.get("code", "")), None)
        if grant is None or grant.expires_at < self._github.world.clock() or not _proven(grant, form):
            return _error("bad_verification_code")
        if form.get("redirect_uri", grant.redirect_uri) != grant.redirect_uri:
            return _error("redirect_uri_mismatch")
        value = "ghu_" + secrets.token_hex(18)
        with self._github.world.lock:
            self._github.world.state.tokens[value] = Token(grant.login, None, None)
        return {"access_token": value, "token_type": "bearer", "scope": ""}


def _proven(grant: _Grant, form: FormData) -> bool:
    """The proof key, where the authorization requested one (S256)."""
    if not grant.challenge:
        return True
    digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == grant.challenge


def _error(code: str) -> dict[str, str]:
    return {"error": code, "error_description": _ERRORS[code]}
