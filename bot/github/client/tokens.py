"""Installation tokens, cached until shortly before they expire; one request at a time per installation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.github.client.connection import Connection
from bot.github.client.failures import NotFound, Unauthorized
from bot.model.errors import Rejected, Unavailable

_MARGIN = timedelta(minutes=2)
"""A token must not expire between the check and its use."""


@dataclass
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    expires_at: datetime | None = None


class InstallationTokens:
    """Creates and caches access tokens of installations."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self._slots: dict[int, _Slot] = {}

    async def authorization(self, installation: int) -> str:
        """Header value for requests as this installation; Rejected when it is uninstalled or suspended."""
        slot = self._slots.setdefault(installation, _Slot())
        async with slot.lock:
            if slot.expires_at is None or self._clock() >= slot.expires_at - _MARGIN:
                slot.token, slot.expires_at = await self._mint(installation)
            return f"Bearer {slot.token}"

    def forget(self, installation: int, authorization: str) -> None:
        """Drops a rejected token, unless it was replaced in the meantime."""
        slot = self._slots.get(installation)
        if slot is not None and authorization == f"Bearer {slot.token}":
            slot.expires_at = None

    async def _mint(self, installation: int) -> tuple[str, datetime]:
        path = f"/app/installations/{installation}/access_tokens"
        try:
            reply = await self._connection.send("POST", path, self._connection.app_authorization())
        except NotFound:
            raise Rejected(f"The App is no longer installed (installation {installation}).") from None
        except Unauthorized:
            raise Rejected(
                "GitHub rejected the App's key. Check GREENROOM_GITHUB_APP_ID, "
                "GREENROOM_GITHUB_PRIVATE_KEY and this machine's clock."
            ) from None
        answer = reply.json()
        try:
            expires_at = datetime.fromisoformat(answer["expires_at"])
            return str(answer["token"]), expires_at
        except (KeyError, TypeError, ValueError):
            raise Unavailable("GitHub's response to the token request contains no token.") from None
