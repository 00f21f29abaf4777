"""What this room tells the metrics."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    def cluster_call(self, method: str, status: int | None) -> None:
        """None: there was no answer."""


class NoTelemetry:
    """For those who count nothing."""

    def cluster_call(self, method: str, status: int | None) -> None: ...
