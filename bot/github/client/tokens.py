"""Installation tokens, cached until shortly before they expire; one request at a time per installation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.clients.cache import VersionedCache
from bot.github.client.connection import Connection
from bot.github.client.failures import NotFound, Unauthorized
from bot.model.errors import Rejected, Unavailable

_MARGIN = timedelta(minutes=2)
"""A token must not expire between the check and its use."""
_INSTALLATIONS = 10_000
_REFUSAL = timedelta(minutes=1)
"""How long a refusal is valid: many environments of a deleted installation cause one request."""


class AppKeyRejected(Rejected):
    """GitHub rejected the App's key, for any installation."""


@dataclass(frozen=True, slots=True)
class _Token:
    authorization: str = field(repr=False)
    minted_at: datetime


class InstallationTokens:
    """Creates and caches access tokens of installations. A token has the permissions of its creation."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self._tokens: VersionedCache[_Token] = VersionedCache(
            _INSTALLATIONS, clock=lambda: clock().timestamp()
        )
        self._locks: dict[int, asyncio.Lock] = {}
        self._refusals: dict[int, tuple[str, datetime]] = {}
        """Why GitHub refuses tokens of an installation, and until when that is assumed."""

    async def authorization(self, installation: int) -> str:
        """Header value for requests as this installation; Rejected when it is uninstalled or suspended."""
        async with self._locks.setdefault(installation, asyncio.Lock()):
            reason, until = self._refusals.get(installation, ("", None))
            if until is not None and self._clock() < until:
                raise Rejected(reason)
            try:
                token = await self._tokens.get(installation, None, lambda: self._mint(installation))
            except AppKeyRejected:
                raise
            except Rejected as error:
                self._refusals[installation] = (str(error), self._clock() + _REFUSAL)
                raise
        return token.authorization

    def forget_refusals(self, installations: Iterable[int]) -> None:
        """After GitHub listed these installations as active."""
        for installation in installations:
            self._refusals.pop(installation, None)

    def forget(self, installation: int) -> None:
        """Drops the token, also one that is being created: its permissions may be outdated."""
        self._tokens.forget(installation)

    def renew(self, installation: int, authorization: str | None, minimum_age: timedelta) -> bool:
        """Drops a refused token, or the current one, unless it is younger.

        Returns whether the next token is another one.
        """
        token = self._tokens.peek(installation, None)
        if token is None or authorization not in (None, token.authorization):
            return True
        if self._clock() < token.minted_at + minimum_age:
            return False
        self.forget(installation)
        return True

    async def _mint(self, installation: int) -> tuple[_Token, float]:
        path = f"/app/installations/{installation}/access_tokens"
        now = self._clock()
        try:
            reply = await self._connection.send("POST", path, self._connection.app_authorization())
        except NotFound:
            raise Rejected(f"The App is no longer installed (installation {installation}).") from None
        except Unauthorized:
            raise AppKeyRejected(
                "GitHub rejected the App's key. Check GREENROOM_GITHUB_APP_ID, "
                "GREENROOM_GITHUB_PRIVATE_KEY and this machine's clock."
            ) from None
        answer = reply.json()
        try:
            lifetime = datetime.fromisoformat(answer["expires_at"]) - _MARGIN - now
            return _Token(f"Bearer {answer['token']}", now), lifetime.total_seconds()
        except (KeyError, TypeError, ValueError):
            raise Unavailable("GitHub's response to the token request contains no token.") from None
