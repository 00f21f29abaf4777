"""The desired state of a pull request's environment: pure decisions over what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.config.patterns import any_path_matcher
from bot.config.schema import Configuration, Skip
from bot.environments.reasons import Destroyed, EnvironmentReason, ForkNotAllowed, PlainReason, SkippedLabel
from bot.model.delivery import RemovalNotice
from bot.model.environment import EndReason, EnvironmentState, Status, UserOverrides
from bot.model.pull_request import PullRequest
from bot.model.reason import Reported


@dataclass(frozen=True, slots=True)
class Present:
    """The environment should run the pull request's head."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing should run; an existing environment is deleted."""

    end: EndReason
    reason: EnvironmentReason
    since: datetime | None = None
    """Time since which nothing should exist, where it is known."""


DesiredState = Present | Absent

REMOVAL_GRACE_PERIOD = timedelta(hours=1)
"""How long the previews of a removed repository stay: it may be transferred, or added again at once."""


def before_configuration(
    pull: PullRequest,
    status: Status,
    overrides: UserOverrides,
    now: datetime,
    *,
    author_trusted: bool = False,
) -> DesiredState:
    """Decides what does not depend on the repository's configuration."""
    if not pull.open:
        if pull.merged:
            return Absent(EndReason.MERGED, PlainReason.PULL_REQUEST_MERGED, pull.closed_at)
        return Absent(EndReason.CLOSED, PlainReason.PULL_REQUEST_CLOSED, pull.closed_at)
    if pull.archived:
        return Absent(EndReason.ARCHIVED, PlainReason.REPOSITORY_ARCHIVED)
    if overrides.destroyed_by is not None:
        return Absent(EndReason.DESTROYED, Destroyed(overrides.destroyed_by))
    if pull.from_fork and not author_trusted and overrides.allowed_commit != pull.head_sha:
        return Absent(EndReason.FORK, ForkNotAllowed(pull.repository.full_name))
    expired_before = status.end is EndReason.EXPIRED and status.commit == pull.head_sha
    if expired_before or _is_expired(status, now):
        return Absent(EndReason.EXPIRED, PlainReason.EXPIRED, status.expires_at)
    return Present()


def without_pull_request(status: Status, now: datetime, notice: RemovalNotice | None) -> Absent | None:
    """The few cases that are evidence for a deletion while GitHub does not show the pull request.

    `notice` is a signed delivery about the repository's removal that GitHub confirmed.
    """
    if notice is not None:
        return Absent(EndReason.REMOVED, Reported(notice.reason), notice.received_at)
    if status.state is EnvironmentState.DELETING and status.end is not None:
        cause = status.cause.summary if status.cause else ""
        return Absent(status.end, Reported(cause), status.expires_at)
    if _is_expired(status, now):
        return Absent(EndReason.EXPIRED, PlainReason.EXPIRED, status.expires_at)
    return None


def after_configuration(
    pull: PullRequest, configuration: Configuration, changed_paths: Sequence[str] | None
) -> DesiredState:
    """Applies the configuration; `changed_paths` is needed only if `needs_paths` is true."""
    reason = _skip_reason(pull, configuration.preview.skip, changed_paths)
    return Absent(EndReason.SKIPPED, reason) if reason is not None else Present()


def needs_paths(configuration: Configuration) -> bool:
    return bool(configuration.preview.skip.paths_only)


def _is_expired(status: Status, now: datetime) -> bool:
    return status.end is None and status.expires_at is not None and now >= status.expires_at


def _skip_reason(
    pull: PullRequest, skip: Skip, changed_paths: Sequence[str] | None
) -> EnvironmentReason | None:
    if skip.drafts and pull.draft:
        return PlainReason.SKIPPED_DRAFT
    if skip.bots and pull.author_is_bot:
        return PlainReason.SKIPPED_BOT
    labels = {label.casefold() for label in pull.labels}
    for label in skip.labels:
        if label.casefold() in labels:  # as GitHub compares names of labels
            return SkippedLabel(label)
    if changed_paths and all(map(any_path_matcher(skip.paths_only).fullmatch, changed_paths)):
        return PlainReason.SKIPPED_PATHS
    return None
