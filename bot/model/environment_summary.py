"""The part of an environment that sweeps read of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKey, EnvironmentState
from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class EnvironmentSummary:
    """What sweeps compare with the cluster."""

    key: EnvironmentKey
    repository: Repository
    namespace: str
    state: EnvironmentState
    cluster: str = DEFAULT_CLUSTER
    """ "" while it has none."""
