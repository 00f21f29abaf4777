"""Who requests something of a stage."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class Requester:
    """User or pipeline that requests, with the context of the request."""

    repository: Repository
    by: str
    """Login; "" for the pipeline."""
    token: str
    """Of the comment or call: a request with the same token is executed once."""
    number: int | None = None
    head: str | None = None
    """The head that the user saw."""
