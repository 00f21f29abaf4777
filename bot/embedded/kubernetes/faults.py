"""Faults of the API server, set while it runs."""

import re
from dataclasses import dataclass, field
from typing import Any

from bot.embedded.kubernetes.errors import bad_request


@dataclass
class Fault:
    """Hang and/or fail matching requests. `times` counts down; 0 is without end."""

    match: str = ".*"
    hang_seconds: float = 0.0
    fail_status: int = 0
    times: int = 0
    after: bool = False
    """Fail only after the request was executed: the client cannot know that it was."""

    def __post_init__(self) -> None:
        self._pattern = re.compile(self.match)

    def covers(self, method: str, path: str) -> bool:
        """The pattern is searched in `GET /api/v1/pods`."""
        return self._pattern.search(f"{method} {path}") is not None


@dataclass
class Faults:
    active: list[Fault] = field(default_factory=list)

    def add(self, body: Any) -> None:
        """Switch on a fault from its JSON; a 400 when it has other fields."""
        try:
            self.active.append(Fault(**body))
        except (TypeError, re.error) as error:
            raise bad_request(
                f"a fault has match, hang_seconds, fail_status, times and after: {error}"
            ) from None

    def clear(self) -> None:
        self.active.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted."""
        for fault in self.active:
            if fault.covers(method, path):
                if fault.times == 1:
                    self.active.remove(fault)
                elif fault.times:
                    fault.times -= 1
                return fault
        return None
