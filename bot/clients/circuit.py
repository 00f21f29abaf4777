"""Refuses calls to a service that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 2
"""Failures in a row that open the circuit; a single one may be a lost connection."""
_PAUSE_SECONDS = 5.0


class Circuit:
    """Closed: all calls pass. Open, after failures in a row: one call passes at intervals.

    `changed` is called with True when the circuit opens, and with False when it closes.
    """

    def __init__(
        self, changed: Callable[[bool], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._monotonic = monotonic
        self._failures = 0
        self._next_call = 0.0
        self.reason = ""
        """Why the last call failed."""

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def pause(self) -> float:
        """0 when a call may pass now; otherwise the seconds until the next one may."""
        now = self._monotonic()
        if not self.is_open:
            return 0.0
        if now < self._next_call:
            return self._next_call - now
        self._next_call = now + _PAUSE_SECONDS
        return 0.0

    def answered(self) -> None:
        was_open, self._failures = self.is_open, 0
        if was_open:
            self._changed(False)

    def failed(self, reason: str) -> None:
        was_open, self.reason = self.is_open, reason
        self._failures += 1
        if self.is_open:
            self._next_call = self._monotonic() + _PAUSE_SECONDS
        if self.is_open and not was_open:
            self._changed(True)
