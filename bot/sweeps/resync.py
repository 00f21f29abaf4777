"""Finds pull requests whose deliveries were lost."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments.ports import ContentReader
from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKind
from bot.model.errors import ConfigurationError, Rejected
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import (
    STANDING,
    DeliveryRecords,
    EnvironmentFinder,
    PullRequestLister,
    RepositoryLister,
    SweepTelemetry,
)

log = structlog.get_logger()


class Resync:
    """Compares open pull requests with the store.

    A pull request missing from a list is read again by a worker: the list alone proves nothing.
    """

    def __init__(
        self,
        installations: RepositoryLister,
        pull_requests: PullRequestLister,
        contents: ContentReader,
        environments: EnvironmentFinder,
        deliveries: DeliveryRecords,
        limit: int,
        telemetry: SweepTelemetry,
    ) -> None:
        self._installations = installations
        self._pull_requests = pull_requests
        self._contents = contents
        self._environments = environments
        self._deliveries = deliveries
        self._limit = limit
        self._telemetry = telemetry

    async def all_repositories(self) -> None:
        """The sweep: every repository of every installation."""
        await self._compare(await self._installations.repositories())

    async def one_repository(self, claim: Claim) -> None:
        """The handler of `resync:REPOSITORY_ID`, which a delivery about the repository enqueues."""
        repository = await self._deliveries.repository(int(claim.key.subject))
        if repository is not None:
            await self._compare([repository])

    async def _compare(self, repositories: Sequence[Repository]) -> None:
        changed: list[PullRequestHint] = []
        vanished: list[PullRequestHint] = []
        pipelines: list[Repository] = []
        for repository in repositories:
            try:
                pulls = await self._pull_requests.open_pull_requests(repository)
                configuration = await self._contents.default_branch_file(repository, CONFIG_FILE)
            except Rejected as error:
                log.warning("repository unreadable", repository=repository.full_name, reason=str(error))
                continue
            environments = await self._environments.find(repository_id=repository.id)
            changed += changed_hints(repository, pulls, environments)
            changed += reconfigured_hints(repository, pulls, environments, configuration)
            vanished += unlisted_hints(repository, pulls, environments)
            pipelines += [repository] * has_pipeline(configuration)
        hints = [*changed, *within_limit("resync", vanished, self._limit, self._telemetry)]
        await self._deliveries.apply_hints(hints)
        await self._deliveries.wake_pipelines(pipelines)
        self._telemetry.swept("resync", len(hints) + len(pipelines))


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
    """Open pull requests whose environment used another configuration than the default branch has now."""
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
    ]
