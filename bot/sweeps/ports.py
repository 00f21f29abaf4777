"""Protocols that the sweeps use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bot.model.delivery import FailedDelivery, PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.environment_summary import EnvironmentSummary
from bot.model.installation import Installation
from bot.model.manifest import OwnedNamespace
from bot.model.pull_request import PullRequest
from bot.model.quota import Candidate
from bot.model.repository import Repository
from bot.model.work import WorkKey


class InstallationReader(Protocol):
    """Like all readers of GitHub: raises Unavailable when GitHub does not answer, which ends the sweep."""

    async def list_all(self) -> Sequence[Installation]: ...

    async def repositories_of(self, installation_id: int) -> Sequence[Repository]: ...


class PullRequestLister(Protocol):
    async def open_pull_requests(self, repository: Repository) -> Sequence[PullRequest]: ...


class DeploymentLister(Protocol):
    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> Collection[int]:
        """Numbers of pull requests with an active Deployment of ours, without those in `standing`."""


class DeliveryLog(Protocol):
    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        """Deliveries whose last attempt had no 2xx response."""

    async def redeliver(self, delivery: FailedDelivery) -> None: ...


class NamespaceLister(Protocol):
    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        """All namespaces that carry our label."""


class EnvironmentFinder(Protocol):
    async def find(
        self,
        *,
        states: Collection[EnvironmentState] = (),
        repository_id: int | None = None,
        expires_before: datetime | None = None,
        lost_before: datetime | None = None,
    ) -> Sequence[Environment]:
        """Environments that match every given condition."""

    async def get_all(self, keys: Collection[EnvironmentKey]) -> Sequence[Environment]:
        """The environments with these keys, as far as they exist."""


class EnvironmentSummaries(Protocol):
    async def summaries(
        self, states: Collection[EnvironmentState], keys: Collection[EnvironmentKey] = ()
    ) -> Sequence[EnvironmentSummary]:
        """Environments in these states, and those with these keys."""


class CandidateReader(Protocol):
    async def candidates(self) -> Sequence[Candidate]:
        """Previews that have a slot or wait for one."""


class DeliveryRecords(Protocol):
    async def apply_hints(self, hints: Sequence[PullRequestHint]) -> None:
        """Raises generations and enqueues keys, as a delivery does."""

    async def wake_pipelines(self, repositories: Sequence[Repository]) -> None:
        """Enqueues the repositories' pipelines, as a push to the default branch does."""

    async def resync(self, repositories: Sequence[Repository], spacing: timedelta) -> None:
        """Stores the repositories' current names and enqueues their keys, the first one now."""

    async def recorded(self, guids: Collection[str]) -> set[str]:
        """The guids that were recorded already."""

    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as the latest delivery named it."""


class WorkEnqueuer(Protocol):
    async def enqueue(self, keys: Iterable[WorkKey], *, spacing: timedelta = timedelta()) -> None: ...


class SweepTelemetry(Protocol):
    def swept(self, sweep: str, enqueued: int) -> None: ...

    def breaker_tripped(self, sweep: str) -> None: ...


STANDING = frozenset(EnvironmentState) - {EnvironmentState.GONE, EnvironmentState.REFUSED}
"""States in which objects can exist on the cluster."""
