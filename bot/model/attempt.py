"""One attempt to bring an environment to a release, as it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import EnvironmentKey, Status


@dataclass(frozen=True, slots=True)
class DeploymentAttempt:
    environment: EnvironmentKey
    started_at: datetime
    """When its first phase started, which identifies it."""
    updated_at: datetime
    status: Status
    failure: NamespaceDiagnostics | None = None
    """Events and logs at its failure; None when it did not fail, or when they are no longer stored."""
