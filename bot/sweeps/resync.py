"""Finds pull requests whose deliveries were lost, and active Deployments without a preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments.ports import ContentReader
from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind
from bot.model.errors import ConfigurationError, Rejected
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import (
    STANDING,
    DeliveryRecords,
    DeploymentLister,
    EnvironmentFinder,
    InstallationReader,
    PullRequestLister,
    SweepTelemetry,
    WorkEnqueuer,
)

log = structlog.get_logger()


_LONGEST_SPACING = timedelta(milliseconds=200)
"""Between two keys: a resync of many repositories leaves room for other work."""


@dataclass(frozen=True, slots=True)
class ResyncPorts:
    installations: InstallationReader
    pull_requests: PullRequestLister
    contents: ContentReader
    deployments: DeploymentLister
    environments: EnvironmentFinder
    deliveries: DeliveryRecords
    queue: WorkEnqueuer


class Resync:
    """Compares open pull requests with the store: a key per installation, which lists its repositories, and
    a key per repository. One that is rate limited, suspended or deleted delays no other.

    A pull request missing from a list is read again by a worker: the list alone proves nothing.
    """

    def __init__(
        self, ports: ResyncPorts, interval: timedelta, limit: int, telemetry: SweepTelemetry
    ) -> None:
        self._ports = ports
        self._interval = interval
        self._limit = limit
        self._telemetry = telemetry

    async def all_installations(self) -> None:
        """The sweep: every installation that is not suspended."""
        installations = await self._ports.installations.list_all()
        keys = [
            WorkKey.installation(installation.id)
            for installation in installations
            if not installation.suspended
        ]
        await self._ports.queue.enqueue(keys, spacing=self._spacing(len(keys)))
        self._telemetry.swept("resync", len(keys))

    async def one_installation(self, claim: Claim) -> None:
        """The handler of `installation:ID`."""
        try:
            repositories = await self._ports.installations.repositories_of(int(claim.key.subject))
        except Rejected as error:
            log.warning("repositories not listed", installation=claim.key.subject, reason=str(error))
            return
        await self._ports.deliveries.resync(repositories, self._spacing(len(repositories)))

    async def one_repository(self, claim: Claim) -> None:
        """The handler of `resync:REPOSITORY_ID`, which a delivery about the repository also enqueues."""
        repository = await self._ports.deliveries.repository(int(claim.key.subject))
        if repository is None:
            return
        try:
            await self.compare(repository)
        except Rejected as error:
            log.warning("repository unreadable", repository=repository.full_name, reason=str(error))

    async def compare(self, repository: Repository) -> None:
        ports = self._ports
        pulls = await ports.pull_requests.open_pull_requests(repository)
        configuration = await ports.contents.default_branch_file(repository, CONFIG_FILE)
        keys = [EnvironmentKey.preview(repository.id, pull.number) for pull in pulls]
        environments = await ports.environments.get_all(keys)
        standing = await ports.environments.find(repository_id=repository.id, states=STANDING)
        hints = [
            *changed_hints(repository, pulls, environments),
            *reconfigured_hints(repository, pulls, environments, configuration),
            *within_limit(
                "resync", unlisted_hints(repository, pulls, standing), self._limit, self._telemetry
            ),
        ]
        await ports.deliveries.apply_hints(hints)
        if has_pipeline(configuration):
            await ports.deliveries.wake_pipelines([repository])
        self._telemetry.swept("repository", len(hints))
        if configuration is not None:
            stale = await stale_deployments(ports.deployments, repository, standing)
            await ports.deliveries.apply_hints(stale)

    def _spacing(self, keys: int) -> timedelta:
        """All keys are due within a quarter of the interval."""
        return min(_LONGEST_SPACING, self._interval / 4 / max(keys, 1))


async def stale_deployments(
    lister: DeploymentLister, repository: Repository, standing: Sequence[Environment]
) -> list[PullRequestHint]:
    """Pull requests with an active Deployment on GitHub whose preview was deleted.

    A worker reads each pull request and deactivates Deployments without a preview.
    """
    previews = [
        environment.key for environment in standing if environment.key.kind is EnvironmentKind.PREVIEW
    ]
    active = await lister.active_deployments(repository, {int(key.name) for key in previews})
    return [PullRequestHint(repository, number, None, open=None) for number in sorted(active)]


def changed_hints(
    repository: Repository, pulls: Sequence[PullRequest], environments: Sequence[Environment]
) -> list[PullRequestHint]:
    """Open pull requests that the store does not have, or has in another state."""
    by_name = {environment.key.name: environment for environment in environments}
    hints = []
    for pull in pulls:
        environment = by_name.get(str(pull.number))
        read = environment.attempt.pull_request if environment else None
        if read is None or not read.open or read.head_sha != pull.head_sha:
            hints.append(PullRequestHint(repository, pull.number, pull.head_sha, open=True))
        elif _preview_conditions(read) != _preview_conditions(pull):
            hints.append(PullRequestHint(repository, pull.number, None, open=True))
    return hints


def _preview_conditions(pull: PullRequest) -> tuple[object, ...]:
    """Properties besides the head that decide whether there is a preview."""
    return pull.base_ref, pull.archived, pull.draft, pull.labels


def reconfigured_hints(
    repository: Repository,
    pulls: Sequence[PullRequest],
    environments: Sequence[Environment],
    configuration: str | None,
) -> list[PullRequestHint]:
    """Open pull requests whose environment used an outdated configuration of the default branch."""
    numbers = {str(pull.number) for pull in pulls}
    return [
        PullRequestHint(repository, int(environment.key.name), None, open=True)
        for environment in environments
        if environment.key.name in numbers
        and environment.attempt.configuration is not None
        and environment.attempt.configuration != configuration
    ]


def has_pipeline(configuration: str | None) -> bool:
    """Whether stages or demos follow the default branch, so that a missed push matters."""
    try:
        return configuration is not None and parse_configuration(configuration).follows_default_branch
    except ConfigurationError:
        return False


def unlisted_hints(
    repository: Repository, pulls: Sequence[PullRequest], environments: Sequence[Environment]
) -> list[PullRequestHint]:
    """Existing previews whose pull request is not in the list of open ones."""
    numbers = {str(pull.number) for pull in pulls}
    return [
        PullRequestHint(repository, int(environment.key.name), None, open=None)
        for environment in environments
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.key.name not in numbers
        and environment.status.state in STANDING
        # A worker reads one that GitHub does not show again, less and less often.
        and environment.attempt.unseen_since is None
    ]
