"""A GitHub user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """A user, identified by `id`, because another account can take over a changed login."""

    id: int
    login: str
