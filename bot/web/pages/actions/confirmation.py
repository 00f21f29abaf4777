"""The signed content of a confirmation: who was shown what, and when."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request

from bot.model.person import Person
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

VALIDITY = timedelta(minutes=15)
_AUDIENCE = "greenroom-action"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The content of the form's token. Only the bot can sign it, and it is valid for one user, once."""

    id: int
    """Negative: the id of the command."""
    address: str
    """Path and query of the confirmation."""
    binding: str
    """Digest of what was shown."""
    head: str
    """The pull request's head that was shown; "" where the command does not depend on it."""
    shown_at: datetime


def new_confirmation(address: str, binding: str, head: str, now: datetime) -> Confirmation:
    return Confirmation(-1 - secrets.randbits(62), address, digest(binding), head, now)


def digest(binding: str) -> str:
    return hashlib.sha256(binding.encode()).hexdigest()[:32]


def sign(confirmation: Confirmation, sessions: Sessions, person: Person) -> str:
    return sessions.sign(
        _AUDIENCE,
        {
            "sub": str(person.id),
            "id": str(confirmation.id),
            "address": confirmation.address,
            "binding": confirmation.binding,
            "head": confirmation.head,
            "shown": confirmation.shown_at.isoformat(),
        },
        VALIDITY,
    )


def read(token: str, sessions: Sessions, person: Person) -> Confirmation | None:
    """Verifies a token; None for one that is forged, expired or another user's."""
    content = sessions.read(_AUDIENCE, token)
    if content is None or content.get("sub") != str(person.id):
        return None
    return Confirmation(
        int(content["id"]),
        content["address"],
        content["binding"],
        content["head"],
        datetime.fromisoformat(content["shown"]),
    )


def is_same_origin(request: Request, site: Site) -> bool:
    """Whether a browser sent the form from a page of this site. Unknown counts as no."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin == site.origin
    return request.headers.get("sec-fetch-site") == "same-origin"
