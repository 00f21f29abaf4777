"""Metrics of reconciles."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    """Metrics of reconciles."""

    def phase(self, phase: str, seconds: float) -> None:
        """A phase finished; the seconds include its waits."""

    def rollout_step(self, strategy: str, weight: int) -> None:
        """A candidate got the traffic of a step."""

    def rollout_verdict(self, verdict: str) -> None:
        """A look at a step, or the end of one, was judged."""

    def leaked(self, cause: str, minutes: float) -> None:
        """Something existed this many minutes longer than it should have, and was deleted."""

    def destroy_failed(self) -> None:
        """Terraform could not destroy the infrastructure of an environment that ends."""


class NoTelemetry:
    """No-op implementation."""

    def phase(self, phase: str, seconds: float) -> None: ...

    def leaked(self, cause: str, minutes: float) -> None: ...

    def destroy_failed(self) -> None: ...

    def rollout_step(self, strategy: str, weight: int) -> None: ...

    def rollout_verdict(self, verdict: str) -> None: ...
