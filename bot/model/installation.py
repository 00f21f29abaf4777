"""Where the App is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Installation:
    """On one account. A suspended one cannot be read, which says nothing of its repositories."""

    id: int
    account: str
    suspended: bool
    permissions: Mapping[str, str] = field(default_factory=dict)
    events: frozenset[str] = frozenset()
