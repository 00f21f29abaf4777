"""Sessions in signed cookies; the bot stores nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
from starlette.requests import Request
from starlette.responses import Response

from bot.model.person import Person

SESSION = timedelta(hours=12)
ATTEMPT = timedelta(minutes=10)
"""Time to complete a sign-in on GitHub."""
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A sign-in in progress in this browser."""

    state: str
    verifier: str
    next_path: str
    """The path to redirect to afterwards."""


class Sessions:
    """The key is derived from the App's client secret: replicas share it; a new one ends all sessions."""

    def __init__(self, client_secret: str, public_url: str, clock: Callable[[], datetime]) -> None:
        parts = urlsplit(public_url)
        self._key = hmac.digest(client_secret.encode(), b"greenroom session", hashlib.sha256)
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/") or "/"
        self._clock = clock
        # Browsers accept `__Host-` cookies from this host only, so that no preview can set one.
        self._prefix = "__Host-" if self._secure and self._path == "/" else ""

    def person(self, request: Request) -> Person | None:
        read = self._decode(request, "greenroom")
        try:
            return Person(int(read["sub"]), str(read["login"])) if read else None
        except (KeyError, ValueError):
            return None

    def begin(self, response: Response, person: Person) -> None:
        self._write(response, "greenroom", {"sub": str(person.id), "login": person.login}, SESSION)
        self._delete(response, "greenroom-sign-in")

    def end(self, response: Response) -> None:
        self._delete(response, "greenroom")

    def remember(self, response: Response, attempt: SignInAttempt) -> None:
        content = {"sub": attempt.state, "verifier": attempt.verifier, "following": attempt.next_path}
        self._write(response, "greenroom-sign-in", content, ATTEMPT)

    def attempt(self, request: Request) -> SignInAttempt | None:
        read = self._decode(request, "greenroom-sign-in")
        try:
            return SignInAttempt(read["sub"], read["verifier"], read["following"]) if read else None
        except KeyError:
            return None

    def sign(self, audience: str, content: dict[str, Any], lasts: timedelta) -> str:
        """A text that only this bot can make, for one use."""
        claims = {**content, "aud": audience, "exp": self._clock() + lasts}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def _write(self, response: Response, name: str, content: dict[str, Any], lasts: timedelta) -> None:
        response.set_cookie(
            self._prefix + name,
            self.sign(name, content, lasts),
            max_age=int(lasts.total_seconds()),
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(
            self._prefix + name, path=self._path, secure=self._secure, httponly=True, samesite="lax"
        )

    def _decode(self, request: Request, name: str) -> dict[str, Any] | None:
        return self.read(name, request.cookies.get(self._prefix + name, ""))

    def read(self, audience: str, token: str) -> dict[str, Any] | None:
        """The content of a text signed for this use; expiry uses the injected clock."""
        options: Any = {"require": ["exp", "sub", "aud"], "verify_exp": False}
        try:
            read: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=audience,
                options=options,
            )
        except jwt.InvalidTokenError:
            return None
        return read if float(read["exp"]) > self._clock().timestamp() else None
