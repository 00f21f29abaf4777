"""What one run knows of changes that no event reports, and of issued credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.secret import Lease


@dataclass(slots=True)
class LateState:
    leases: tuple[Lease, ...] = ()
    """The credentials that were issued for the environment."""
    next_look: datetime | None = None
    """When to run again at the latest."""

    def look_again(self, moment: datetime) -> None:
        """Runs again at that moment, if not before."""
        self.next_look = min(filter(None, (self.next_look, moment)))
