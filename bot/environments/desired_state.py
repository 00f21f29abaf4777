"""What a pull request should have: a pure decision over what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.config.patterns import path_matches
from bot.config.schema import Configuration, Skip
from bot.model.delivery import RemovalNotice
from bot.model.environment import EndReason, EnvironmentState, Status, StatusMessage, UserOverrides
from bot.model.pull_request import PullRequest


@dataclass(frozen=True, slots=True)
class Present:
    """The environment should run the pull request's head."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing should run; what runs is taken away."""

    end: EndReason
    cause: StatusMessage
    since: datetime | None = None
    """From when on nothing should have stood, where that is known."""


DesiredState = Present | Absent

REMOVAL_GRACE_PERIOD = timedelta(hours=1)
"""How long the previews of a repository that was removed stay: it may be moved, or put back at once."""

_EXPIRED = StatusMessage("The preview's time was up. A push or `/preview` brings it back.")


def before_configuration(
    pull: PullRequest,
    status: Status,
    overrides: UserOverrides,
    now: datetime,
    *,
    author_trusted: bool = False,
) -> DesiredState:
    """All that can be said without the repository's configuration."""
    if not pull.open:
        if pull.merged:
            return Absent(EndReason.MERGED, StatusMessage("The pull request was merged."), pull.closed_at)
        return Absent(EndReason.CLOSED, StatusMessage("The pull request was closed."), pull.closed_at)
    if pull.archived:
        return Absent(
            EndReason.ARCHIVED, StatusMessage("The repository is archived: nothing can be merged there.")
        )
    if overrides.destroyed_by is not None:
        return Absent(
            EndReason.DESTROYED,
            StatusMessage(f"`{overrides.destroyed_by}` had it taken away. `/preview` brings it back."),
        )
    if pull.from_fork and not author_trusted and overrides.allowed_commit != pull.head_sha:
        return Absent(
            EndReason.FORK,
            StatusMessage(
                "This pull request comes from a fork, so nothing of it runs by itself. Somebody with write "
                f"access to {pull.repository.full_name} can allow this commit with `/preview`; a push takes "
                "the permission away."
            ),
        )
    ended_here = status.end is EndReason.EXPIRED and status.commit == pull.head_sha
    if ended_here or _is_expired(status, now):
        return Absent(EndReason.EXPIRED, _EXPIRED, status.expires_at)
    return Present()


def without_pull_request(status: Status, now: datetime, lost: RemovalNotice | None) -> Absent | None:
    """What can be said while GitHub does not show the pull request: only a few things are evidence.

    `lost` is what a signed delivery told of the repository, once GitHub confirmed it.
    """
    if lost is not None:
        return Absent(EndReason.REMOVED, StatusMessage(lost.reason), lost.received_at)
    if status.state is EnvironmentState.DELETING and status.end is not None:
        return Absent(
            status.end, StatusMessage(status.cause.summary if status.cause else ""), status.expires_at
        )
    return Absent(EndReason.EXPIRED, _EXPIRED, status.expires_at) if _is_expired(status, now) else None


def _is_expired(status: Status, now: datetime) -> bool:
    return status.end is None and status.expires_at is not None and now >= status.expires_at


def after_configuration(
    pull: PullRequest, configuration: Configuration, changed_paths: Sequence[str] | None
) -> DesiredState:
    """What the configuration says; `changed_paths` is needed only where `needs_paths` says so."""
    skip = configuration.preview.skip
    reason = _skip_reason(pull, skip, changed_paths)
    return Absent(EndReason.SKIPPED, StatusMessage(reason)) if reason else Present()


def needs_paths(configuration: Configuration) -> bool:
    return bool(configuration.preview.skip.paths_only)


def _skip_reason(pull: PullRequest, skip: Skip, changed_paths: Sequence[str] | None) -> str | None:
    if skip.drafts and pull.draft:
        return "No preview for a draft (`preview.skip.drafts`). Mark it as ready for review to get one."
    if skip.bots and pull.author_is_bot:
        return "No preview for a bot's pull request (`preview.skip.bots`)."
    for label in skip.labels:
        if label in pull.labels:
            return f"No preview while the label {label!r} is set (`preview.skip.labels`)."
    if changed_paths and all(
        any(path_matches(path, pattern) for pattern in skip.paths_only) for path in changed_paths
    ):
        return "No preview: only paths changed that need none (`preview.skip.paths_only`)."
    return None
