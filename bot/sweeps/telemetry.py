"""What a sweep tells the metrics."""

from __future__ import annotations

from typing import Protocol


class SweepTelemetry(Protocol):
    def swept(self, sweep: str, enqueued: int) -> None: ...

    def breaker_tripped(self, sweep: str) -> None: ...
