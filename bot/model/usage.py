"""What an environment has requested of its cluster so far, and when it was used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class Usage:
    key: EnvironmentKey
    measured_at: datetime
    """When it was measured last."""
    core_hours: float = 0.0
    gibibyte_hours: float = 0.0
    """Gibibyte hours of memory."""
    cores: float = 0.0
    """What it requests now; 0 while nothing runs."""
    gibibytes: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict)
    """The requests of users by pod of the gateway, as counted last."""
    used_at: datetime | None = None
    """When the count changed last; None if it never did."""


@dataclass(frozen=True, slots=True)
class RequestedHours:
    """What an environment has requested so far."""

    key: EnvironmentKey
    repository: Repository
    core_hours: float
    gibibyte_hours: float
