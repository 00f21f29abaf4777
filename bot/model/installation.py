"""An installation of the App."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Installation:
    """The App on one account. A suspended installation cannot be read, so it proves nothing."""

    id: int
    account: str
    suspended: bool
    permissions: Mapping[str, str] = field(default_factory=dict)
    events: frozenset[str] = frozenset()
