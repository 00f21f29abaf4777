"""What the sweeps ask of the other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.model.delivery import Hint
from bot.model.environment import Environment, EnvironmentKey
from bot.model.repository import Repository
from bot.model.work import WorkKey


@dataclass(frozen=True, slots=True)
class OpenPull:
    """An open pull request as the list of its repository shows it."""

    number: int
    head_sha: str


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    id: int
    guid: str
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class OwnedNamespace:
    """A namespace that carries our label, with what its annotations say."""

    name: str
    environment: EnvironmentKey
    repository: Repository
    terminating: bool


class GitHub(Protocol):
    """Raises TryAgain when GitHub does not answer: then the sweep does nothing at all."""

    async def repositories(self) -> Sequence[Repository]:
        """Of all installations that are not suspended."""

    async def open_pulls(self, repository: Repository) -> Sequence[OpenPull]: ...

    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        """Those whose last attempt did not get a 2xx answer."""

    async def redeliver(self, delivery: FailedDelivery) -> None: ...


class Cluster(Protocol):
    async def owned_namespaces(self) -> Sequence[OwnedNamespace]: ...


class Store(Protocol):
    async def environments(self, repository_id: int | None = None) -> Sequence[Environment]:
        """Those that are not settled as gone or refused, and those too when a repository is given."""

    async def expired(self, now: datetime) -> Sequence[EnvironmentKey]: ...

    async def hint(self, hints: Sequence[Hint]) -> None:
        """Like a delivery's hints: the environments' generations are raised and their keys enqueued."""

    async def enqueue(self, keys: Sequence[WorkKey]) -> None: ...

    async def known_guids(self, guids: Sequence[str]) -> set[str]:
        """Which of these deliveries were recorded already."""
