"""Finds pull requests whose deliveries were lost: opened, pushed to or closed without our knowing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.delivery import Hint
from bot.model.environment import Environment, EnvironmentKind, EnvironmentState
from bot.model.repository import Repository
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import GitHub, OpenPull, Store
from bot.sweeps.telemetry import Telemetry


async def resync(github: GitHub, store: Store, limit: int, telemetry: Telemetry) -> None:
    """Compares each repository's open pull requests with the store.

    A pull request that the list does not show is only looked at again, one by one: the list is no evidence.
    """
    changed: list[Hint] = []
    vanished: list[Hint] = []
    for repository in await github.repositories():
        pulls = await github.open_pulls(repository)
        known = await store.environments(repository.id)
        changed += moved(repository, pulls, known)
        vanished += unlisted(repository, pulls, known)
    hints = [*changed, *within_limit("resync", vanished, limit, telemetry)]
    await store.hint(hints)
    telemetry.swept("resync", len(hints))


def moved(repository: Repository, pulls: Sequence[OpenPull], known: Sequence[Environment]) -> list[Hint]:
    """Open pull requests that the store does not know, or knows at another head, or as closed."""
    by_name = {environment.key.name: environment for environment in known}
    hints = []
    for pull in pulls:
        environment = by_name.get(str(pull.number))
        read = environment.attempt.pull_request if environment else None
        if read is None or not read.open or read.head_sha != pull.head_sha:
            hints.append(Hint(repository, pull.number, pull.head_sha, open=True))
    return hints


def unlisted(repository: Repository, pulls: Sequence[OpenPull], known: Sequence[Environment]) -> list[Hint]:
    """Previews that still stand though the list does not show their pull request as open."""
    numbers = {str(pull.number) for pull in pulls}
    return [
        Hint(repository, int(environment.key.name), None, open=None)
        for environment in known
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.key.name not in numbers
        and environment.status.state not in (EnvironmentState.GONE, EnvironmentState.REFUSED)
    ]
