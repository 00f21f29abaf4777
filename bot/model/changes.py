"""The position of a reader of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    saved_at: datetime
    """Time of the newest environment that was read."""
    audit_id: int
    """The last entry of the audit log that was read."""
    seen: Mapping[str, datetime] = field(default_factory=dict)
    """Environments near `saved_at` that were read, by key."""
