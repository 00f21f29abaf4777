"""What the sweeps ask of the other rooms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from bot.model.delivery import FailedDelivery, PullRequestHint
from bot.model.environment import Environment, EnvironmentState
from bot.model.manifest import OwnedNamespace
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import WorkKey


class RepositoryLister(Protocol):
    """Like all readers of GitHub: raises TryAgain when GitHub does not answer, which ends the sweep."""

    async def repositories(self) -> Sequence[Repository]:
        """Of all installations that are not suspended."""


class PullRequestLister(Protocol):
    async def open_pull_requests(self, repository: Repository) -> Sequence[PullRequest]: ...


class DeploymentLister(Protocol):
    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> Collection[int]:
        """Numbers of pull requests with an active Deployment of ours, without those in `standing`."""


class DeliveryLog(Protocol):
    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        """Those whose last attempt did not get a 2xx answer."""

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
        """All that fit every given condition."""


class DeliveryRecords(Protocol):
    async def apply_hints(self, hints: Sequence[PullRequestHint]) -> None:
        """As if a delivery had told of them: generations are raised, keys enqueued."""

    async def wake_pipelines(self, repositories: Sequence[Repository]) -> None:
        """As if a push to the default branches of these repositories had been delivered."""

    async def recorded(self, guids: Collection[str]) -> set[str]:
        """Which of these deliveries were recorded already."""

    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as a delivery named it last."""


class WorkEnqueuer(Protocol):
    async def enqueue(self, keys: Iterable[WorkKey]) -> None: ...


STANDING = frozenset(EnvironmentState) - {EnvironmentState.GONE, EnvironmentState.REFUSED}
"""The states in which something may stand on the cluster."""
