"""What a release requests of its cluster while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.rollout import Backend


@dataclass(frozen=True, slots=True)
class Load:
    """The requests of all pods that keep running, and the Services that get the requests of users."""

    cores: float = 0.0
    gibibytes: float = 0.0
    """Gibibytes of memory."""
    backends: tuple[Backend, ...] = ()
    """The Services behind the routes."""
