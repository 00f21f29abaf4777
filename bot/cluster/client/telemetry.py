"""What this room tells the metrics."""

from __future__ import annotations

from typing import Protocol


class ApiTelemetry(Protocol):
    def cluster_call(self, method: str, status: int | None) -> None:
        """None: there was no answer."""


class NoApiTelemetry:
    """For those who count nothing."""

    def cluster_call(self, method: str, status: int | None) -> None: ...
