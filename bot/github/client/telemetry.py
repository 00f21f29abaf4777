"""What this room tells the metrics."""

from __future__ import annotations

from typing import Protocol


class CallMetrics(Protocol):
    def github_call(self, method: str, status: int | None) -> None:
        """None: there was no answer."""

    def github_rate_limit(self, installation: int, remaining: int) -> None: ...


class NoCallMetrics:
    """For those who count nothing."""

    def github_call(self, method: str, status: int | None) -> None: ...

    def github_rate_limit(self, installation: int, remaining: int) -> None: ...
