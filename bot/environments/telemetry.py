"""What a reconcile tells the metrics."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    def phase(self, phase: str, seconds: float) -> None:
        """A phase ended; its waits are in the seconds."""

    def leaked(self, cause: str, minutes: float) -> None:
        """Something stood so much longer than it should have, and is reclaimed."""


class NoTelemetry:
    """For those who count nothing."""

    def phase(self, phase: str, seconds: float) -> None: ...

    def leaked(self, cause: str, minutes: float) -> None: ...
