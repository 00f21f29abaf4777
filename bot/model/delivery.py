"""A webhook delivery from GitHub, reduced to the fields that are used, and its effects."""

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
    """A change that a delivery suggests. It is never state: a worker reads GitHub again.

    A `head_sha` or `open` that differs from the stored one raises the environment's generation at once,
    so that a running worker stops writing for the older head.
    """

    repository: Repository
    number: int
    head_sha: str | None
    open: bool | None


@dataclass(frozen=True, slots=True)
class CommitStatusChanged:
    """CI reported on a commit. Its environments are reconciled; their desired state is unchanged."""

    repository_id: int
    sha: str


@dataclass(frozen=True, slots=True)
class ResyncRequested:
    """All pull requests of a repository must be read again. The work key is `resync:REPOSITORY_ID`."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class DefaultBranchPushed:
    """The default branch or a tag changed. If the repository has stages or demos, the work key is
    `pipeline:REPOSITORY_ID`."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """The configuration on the default branch changed. All environments of the repository are reconciled."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class CommandPosted:
    """A comment on a pull request looks like a command. The work key is `command:ID`."""

    repository: Repository
    number: int
    id: int
    digest: str
    """Digest of the text: a worker reads the comment again and detects edits."""


@dataclass(frozen=True, slots=True)
class MergeGroupCreated:
    """GitHub asks for checks on a merge queue's commit. The work key is `merge-group:REPOSITORY_ID/SHA`."""

    repository: Repository
    sha: str


@dataclass(frozen=True, slots=True)
class RepositoryRemoved:
    """A signed delivery: the App lost access to a repository, or with None to a whole installation.

    It is stored as evidence. GitHub must confirm it before anything is deleted.
    """

    installation_id: int
    repository_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RemovalNotice:
    """A stored `RepositoryRemoved`."""

    reason: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RerunRequested:
    """A user pressed "Re-run" on one of our checks. The preview runs all phases again."""

    repository: Repository
    number: int | None
    """None for "Re-run all checks": all previews of the commit."""
    by: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewRequested:
    """A review of the pull request was requested: its preview wakes."""

    repository: Repository
    number: int
    by: str


@dataclass(frozen=True, slots=True)
class PermissionsAccepted:
    """An owner accepted new permissions of the App: tokens that were created before lack them."""

    installation_id: int


WebhookEffect = (
    PullRequestHint
    | CommitStatusChanged
    | ResyncRequested
    | DefaultBranchPushed
    | ConfigurationChanged
    | RerunRequested
    | ReviewRequested
    | CommandPosted
    | MergeGroupCreated
    | RepositoryRemoved
    | PermissionsAccepted
)
"""The effect of a delivery."""


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery that was not acknowledged. `id` identifies the attempt, `guid` the delivery."""

    id: int
    guid: str
    delivered_at: datetime
