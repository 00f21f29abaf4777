"""One webhook call from GitHub, read tolerantly: the few fields that are used, whatever else it carries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class Delivery:
    guid: str
    event: str
    action: str
    received_at: datetime
    repository: Repository | None = None


@dataclass(frozen=True, slots=True)
class PullRequestHint:
    """What a delivery says may have changed. Never trusted as state: a worker reads GitHub again.

    A `head_sha` or `open` that differs from what is stored raises the environment's generation at once,
    so that a running worker stops writing for the older head.
    """

    repository: Repository
    number: int
    head_sha: str | None
    open: bool | None


@dataclass(frozen=True, slots=True)
class CommitStatusChanged:
    """CI has spoken about a commit: the environments that want it run again, their desire unchanged."""

    repository_id: int
    sha: str


@dataclass(frozen=True, slots=True)
class ResyncRequested:
    """All pull requests of a repository have to be looked at: the work key is `resync:REPOSITORY_ID`."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class DefaultBranchPushed:
    """The default branch or a tag moved: where the repository has stages or demos, the work key is
    `pipeline:REPOSITORY_ID`."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """The configuration on the default branch changed: every environment of the repository is read again."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class CommandPosted:
    """Somebody commented on a pull request, and it reads like a command: the work key is `command:ID`."""

    repository: Repository
    number: int
    id: int
    digest: str
    """Of its text: a worker reads the comment again and sees whether it is still the same."""


@dataclass(frozen=True, slots=True)
class RepositoryRemoved:
    """GitHub says, signed, that the App has lost a repository, or with None all of an installation.

    It is noted as evidence; before anything is taken away it has to be confirmed.
    """

    installation_id: int
    repository_id: int | None
    why: str


@dataclass(frozen=True, slots=True)
class RemovalNotice:
    """Such a word, as it was noted."""

    why: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RerunRequested:
    """Somebody pressed "Re-run" on one of our checks: the preview goes through all phases again."""

    repository: Repository
    number: int
    by: str


WebhookEffect = (
    PullRequestHint
    | CommitStatusChanged
    | ResyncRequested
    | DefaultBranchPushed
    | ConfigurationChanged
    | RerunRequested
    | CommandPosted
    | RepositoryRemoved
)
"""What a delivery asks for."""


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery that GitHub sent and nobody took. `id` names the attempt, `guid` the delivery."""

    id: int
    guid: str
    delivered_at: datetime
