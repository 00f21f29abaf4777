"""Finds pull requests whose deliveries were lost: opened, pushed to, changed or closed unheard."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.config.configuration import CONFIG_FILE, parse_configuration
from bot.environments.ports import ContentReader
from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKind
from bot.model.errors import ConfigurationError, Rejected
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, Deliveries, Environments, PullRequestLister, RepositoryLister
from bot.sweeps.telemetry import Telemetry

log = structlog.get_logger()


class Resync:
    """Compares open pull requests with the store.

    A pull request that a list does not show is only looked at again, one by one: the list is no evidence.
    """

    def __init__(
        self,
        installations: RepositoryLister,
        pull_requests: PullRequestLister,
        contents: ContentReader,
        environments: Environments,
        deliveries: Deliveries,
        limit: int,
        telemetry: Telemetry,
    ) -> None:
        self._installations = installations
        self._pull_requests = pull_requests
        self._contents = contents
        self._environments = environments
        self._deliveries = deliveries
        self._limit = limit
        self._telemetry = telemetry

    async def all(self) -> None:
        """The sweep: every repository of every installation."""
        await self._look(await self._installations.repositories())

    async def one(self, claim: Claim) -> None:
        """The handler of `resync:REPOSITORY_ID`: a delivery told that the repository changed."""
        repository = await self._deliveries.repository(int(claim.key.subject))
        if repository is not None:
            await self._look([repository])

    async def _look(self, repositories: Sequence[Repository]) -> None:
        changed: list[PullRequestHint] = []
        vanished: list[PullRequestHint] = []
        following: list[Repository] = []
        for repository in repositories:
            try:
                pulls = await self._pull_requests.open_pull_requests(repository)
                configuration = await self._contents.default_branch_file(repository, CONFIG_FILE)
            except Rejected as error:
                log.warning("a repository cannot be read", repository=repository.full_name, reason=str(error))
                continue
            known = await self._environments.find(repository_id=repository.id)
            changed += moved(repository, pulls, known)
            changed += outdated(repository, pulls, known, configuration)
            vanished += unlisted(repository, pulls, known)
            following += [repository] * follows(configuration)
        hints = [*changed, *within_limit("resync", vanished, self._limit, self._telemetry)]
        await self._deliveries.hint(hints)
        await self._deliveries.follow(following)
        self._telemetry.swept("resync", len(hints) + len(following))


def moved(
    repository: Repository, pulls: Sequence[PullRequest], known: Sequence[Environment]
) -> list[PullRequestHint]:
    """Open pull requests that the store does not know, or knows as something else than they are."""
    by_name = {environment.key.name: environment for environment in known}
    hints = []
    for pull in pulls:
        environment = by_name.get(str(pull.number))
        read = environment.attempt.pull_request if environment else None
        if read is None or not read.open or read.head_sha != pull.head_sha:
            hints.append(PullRequestHint(repository, pull.number, pull.head_sha, open=True))
        elif _asked(read) != _asked(pull):
            hints.append(PullRequestHint(repository, pull.number, None, open=True))
    return hints


def _asked(pull: PullRequest) -> tuple[object, ...]:
    """What besides the head may decide whether there is a preview."""
    return pull.base_ref, pull.archived, pull.draft, pull.labels


def outdated(
    repository: Repository,
    pulls: Sequence[PullRequest],
    known: Sequence[Environment],
    configuration: str | None,
) -> list[PullRequestHint]:
    """Open pull requests for which another configuration was read than the default branch has now."""
    numbers = {str(pull.number) for pull in pulls}
    return [
        PullRequestHint(repository, int(environment.key.name), None, open=True)
        for environment in known
        if environment.key.name in numbers
        and environment.attempt.configuration is not None
        and environment.attempt.configuration != configuration
    ]


def follows(configuration: str | None) -> bool:
    """Whether a push to the default branch that nobody told of may be wanted somewhere."""
    try:
        return configuration is not None and parse_configuration(configuration).follows_default_branch
    except ConfigurationError:
        return False


def unlisted(
    repository: Repository, pulls: Sequence[PullRequest], known: Sequence[Environment]
) -> list[PullRequestHint]:
    """Previews that still stand though the list does not show their pull request as open."""
    numbers = {str(pull.number) for pull in pulls}
    return [
        PullRequestHint(repository, int(environment.key.name), None, open=None)
        for environment in known
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.key.name not in numbers
        and environment.status.state in STANDING
    ]
