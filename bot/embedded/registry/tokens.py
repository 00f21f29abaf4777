"""Bearer tokens of the registry: who may pull what, until when."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Tokens:
    """Issues and checks opaque tokens. Without `users` anybody gets one; otherwise only they do."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: int = 300
    issued: int = 0
    _granted: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    def may_ask(self, authorization: str) -> bool:
        """Whether this Authorization header gets a token."""
        if not self.users:
            return True
        scheme, _, encoded = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = self.users.get(name, "")
        return (
            scheme.lower() == "basic"
            and bool(known)
            and secrets.compare_digest(known.encode(), password.encode())
        )

    def issue(self, scope: str) -> dict[str, object]:
        """A token for `scope`, as the token endpoint answers."""
        token = secrets.token_urlsafe(24)
        self._granted[token] = (time.monotonic() + self.seconds, scope)
        self.issued += 1
        return {"token": token, "access_token": token, "expires_in": self.seconds}

    def allows(self, authorization: str, scope: str) -> bool:
        """Whether this Authorization header carries a live token for `scope`; "" asks for any token."""
        scheme, _, token = authorization.partition(" ")
        expires, granted = self._granted.get(token, (0.0, ""))
        live = scheme.lower() == "bearer" and time.monotonic() < expires
        return live and (not scope or scope in granted.split())

    def expire_all(self) -> None:
        """Forget every token that was given out."""
        self._granted.clear()
