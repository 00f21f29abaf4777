"""Installation tokens: one mint at a time for an installation, kept until shortly before they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.github.client.connection import Connection
from bot.github.client.failures import NotFound, Unauthorized
from bot.model.errors import Rejected, Unavailable

_MARGIN = timedelta(minutes=2)
"""A token that is about to expire could do so on its way."""


@dataclass
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    expires_at: datetime | None = None


class InstallationTokens:
    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self._slots: dict[int, _Slot] = {}

    async def authorization(self, installation: int) -> str:
        """The header value for calls as this installation. Rejected when it is gone or suspended."""
        slot = self._slots.setdefault(installation, _Slot())
        async with slot.lock:
            if slot.expires_at is None or self._clock() >= slot.expires_at - _MARGIN:
                slot.token, slot.expires_at = await self._mint(installation)
            return f"Bearer {slot.token}"

    def forget(self, installation: int, authorization: str) -> None:
        """GitHub did not accept it: the next call mints another, unless somebody else did meanwhile."""
        slot = self._slots.get(installation)
        if slot is not None and authorization == f"Bearer {slot.token}":
            slot.expires_at = None

    async def _mint(self, installation: int) -> tuple[str, datetime]:
        path = f"/app/installations/{installation}/access_tokens"
        try:
            reply = await self._connection.send("POST", path, self._connection.app_authorization())
        except NotFound:
            raise Rejected(
                f"The App is not installed there any more (installation {installation})."
            ) from None
        except Unauthorized:
            raise Rejected(
                "GitHub does not accept the App's key: check GREENROOM_GITHUB_APP_ID, "
                "GREENROOM_GITHUB_PRIVATE_KEY and this machine's clock."
            ) from None
        answer = reply.json()
        try:
            expires_at = datetime.fromisoformat(answer["expires_at"])
            return str(answer["token"]), expires_at
        except (KeyError, TypeError, ValueError):
            raise Unavailable("GitHub's answer to the request for a token has no token in it.") from None
