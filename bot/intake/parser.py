"""Parses webhook events into their effects. Pure and tolerant: unknown events have no effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeGuard

from bot.commands.grammar import digest, parse
from bot.config.loader import CONFIG_FILE as CONFIG_FILE
from bot.intake.payload import Payload, PullRequest, read_payload
from bot.intake.payload import Repository as PayloadRepository
from bot.model.delivery import (
    CommandPosted,
    CommitStatusChanged,
    ConfigurationChanged,
    DefaultBranchPushed,
    Delivery,
    MergeGroupCreated,
    PermissionsAccepted,
    PullRequestHint,
    RepositoryRemoved,
    RerunRequested,
    ResyncRequested,
    ReviewRequested,
    WebhookEffect,
)
from bot.model.repository import Repository

_LARGEST_ID = 2**63 - 1
_LARGEST_NUMBER = 2**31 - 1
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NAME = re.compile(r"[^\x00-\x20/\x7f\ud800-\udfff]{1,255}")
_PREVIEW_CHECK = re.compile(r"preview/([0-9]{1,19})/([0-9]{1,10})(?:/.*)?")
"""Our check run's `external_id` starts with the environment's key."""
_ACTION = re.compile(r"[a-z_]{1,64}")

_HEAD_ACTIONS = frozenset({"opened", "synchronize", "reopened", "closed"})
_REREAD_ACTIONS = frozenset({"edited", "labeled", "unlabeled", "converted_to_draft", "ready_for_review"})
"""Actions that do not change the head; labels, draft and base decide whether there is a preview."""


@dataclass(frozen=True, slots=True)
class ParsedDelivery:
    """A delivery and its effects."""

    delivery: Delivery
    effects: Sequence[WebhookEffect]


def parse_delivery(event: str, guid: str, body: bytes, received_at: datetime) -> ParsedDelivery:
    """Raises InvalidPayload when the body is not a JSON object; tolerates everything else."""
    payload = read_payload(body)
    repository = _repository(payload, payload.repository)
    action = payload.action if payload.action and _ACTION.fullmatch(payload.action) else ""
    delivery = Delivery(guid, event, action, received_at, repository)
    reader = EFFECT_READERS.get(f"{event}.{action}" if action else event)
    return ParsedDelivery(delivery, reader(payload, action, repository) if reader else ())


EffectReader = Callable[[Payload, str, Repository | None], Sequence[WebhookEffect]]


def _pull_request(payload: Payload, action: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    if repository is None:
        return ()
    pull = payload.pull_request or PullRequest()
    number = _number(pull.number or payload.number)
    keeps_base = payload.changes is not None and payload.changes.base is None
    if number is None or (action == "edited" and keeps_base):
        return ()
    head = _sha(pull.head.sha if pull.head else None) if action in _HEAD_ACTIONS else None
    return (PullRequestHint(repository, number, head, _open(pull, action)),)


def _review_requested(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    pull = payload.pull_request or PullRequest()
    number = _number(pull.number or payload.number)
    if repository is None or number is None:
        return ()
    return (ReviewRequested(repository, number, _login(payload)),)


def _login(payload: Payload) -> str:
    """The user who caused the event; "" if it is missing."""
    return (payload.sender.login if payload.sender else None) or ""


def _open(pull: PullRequest, action: str) -> bool | None:
    if pull.state in ("open", "closed"):
        return pull.state == "open"
    return action != "closed" if action in _HEAD_ACTIONS else None


def _completed(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    run = payload.check_run or payload.check_suite
    return _commit_status_changed(repository, run.head_sha if run else None)


def _rerequested(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    run = payload.check_run or payload.check_suite
    if run is None or repository is None:
        return ()
    preview = _PREVIEW_CHECK.fullmatch(run.external_id or "")
    number = _number(int(preview[2])) if preview and int(preview[1]) == repository.id else None
    commit = _sha(run.head_sha)
    return (RerunRequested(repository, number, _login(payload), commit),) if number or commit else ()


def _status(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    return () if payload.state == "pending" else _commit_status_changed(repository, payload.sha)


def _commit_status_changed(repository: Repository | None, sha: str | None) -> Sequence[WebhookEffect]:
    commit = _sha(sha)
    return (CommitStatusChanged(repository.id, commit),) if repository is not None and commit else ()


def _push(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    """Pushes to the default branch and of tags; pushes to pull requests arrive as `synchronize`."""
    branch = payload.repository.default_branch if payload.repository else None
    if repository is None:
        return ()
    if payload.ref is not None and payload.ref.startswith("refs/tags/"):
        return (DefaultBranchPushed(repository),)
    if not branch or payload.ref != f"refs/heads/{branch}":
        return ()
    for commit in payload.commits or ():
        for paths in (commit.added, commit.modified, commit.removed):
            if CONFIG_FILE in (paths or ()):
                return (ConfigurationChanged(repository),)
    return (DefaultBranchPushed(repository),)


def _comment(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    """A comment with a command, by a user, on a pull request."""
    issue, comment = payload.issue, payload.comment
    if repository is None or issue is None or issue.pull_request is None or comment is None:
        return ()
    by_bot = comment.user is not None and comment.user.type == "Bot"
    number, text = _number(issue.number), comment.body or ""
    if by_bot or number is None or not _is_id(comment.id) or parse(text) is None:
        return ()
    return (CommandPosted(repository, number, comment.id, digest(text)),)


def _merge_group(payload: Payload, _: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    commit = _sha(payload.merge_group.head_sha if payload.merge_group else None)
    return (MergeGroupCreated(repository, commit),) if repository is not None and commit else ()


def _repository_changed(_: Payload, __: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    return (ResyncRequested(repository),) if repository is not None else ()


def _installation(payload: Payload, _: str, __: Repository | None) -> Sequence[WebhookEffect]:
    return _resync_all(payload, payload.repositories)


def _permissions_accepted(payload: Payload, _: str, __: Repository | None) -> Sequence[WebhookEffect]:
    installation = payload.installation.id if payload.installation else None
    if not _is_id(installation):
        return ()
    return (PermissionsAccepted(installation), *_resync_all(payload, payload.repositories))


def _installation_repositories(payload: Payload, _: str, __: Repository | None) -> Sequence[WebhookEffect]:
    return _resync_all(payload, payload.repositories_added)


def _uninstalled(payload: Payload, _: str, __: Repository | None) -> Sequence[WebhookEffect]:
    installation = payload.installation.id if payload.installation else None
    if not _is_id(installation):
        return ()
    return (RepositoryRemoved(installation, None, "The App was uninstalled from the repository's account."),)


def _removed(payload: Payload, _: str, __: Repository | None) -> Sequence[WebhookEffect]:
    repositories = (_repository(payload, removed) for removed in payload.repositories_removed or ())
    reason = "The repository was removed from the App's installation."
    return tuple(
        RepositoryRemoved(repository.installation_id, repository.id, reason)
        for repository in repositories
        if repository is not None
    )


def _deleted(_: Payload, __: str, repository: Repository | None) -> Sequence[WebhookEffect]:
    if repository is None:
        return ()
    return (RepositoryRemoved(repository.installation_id, repository.id, "The repository was deleted."),)


def _resync_all(
    payload: Payload, repositories: Sequence[PayloadRepository] | None
) -> Sequence[WebhookEffect]:
    named = (_repository(payload, repository) for repository in repositories or ())
    return tuple(ResyncRequested(repository) for repository in named if repository is not None)


def _repository(payload: Payload, named: PayloadRepository | None) -> Repository | None:
    """None without a valid id, name and installation; the event then has no effect."""
    if named is None or payload.installation is None:
        return None
    owner = (named.owner.login or named.owner.name) if named.owner else None
    if owner is None and named.full_name is not None:
        owner = named.full_name.partition("/")[0]
    if not (_is_id(named.id) and _is_id(payload.installation.id)):
        return None
    if not (_is_name(owner) and _is_name(named.name)):
        return None
    return Repository(named.id, payload.installation.id, owner, named.name)


def _is_id(number: int | None) -> TypeGuard[int]:
    """Whether the number fits into 64 bits, as the databases need."""
    return number is not None and 0 < number <= _LARGEST_ID


def _is_name(text: str | None) -> TypeGuard[str]:
    return text is not None and _NAME.fullmatch(text) is not None


def _number(number: int | None) -> int | None:
    return number if number is not None and 0 < number <= _LARGEST_NUMBER else None


def _sha(text: str | None) -> str | None:
    return text if text is not None and _SHA.fullmatch(text) else None


EFFECT_READERS: Mapping[str, EffectReader] = {
    **dict.fromkeys((f"pull_request.{action}" for action in _HEAD_ACTIONS | _REREAD_ACTIONS), _pull_request),
    "check_run.completed": _completed,
    "check_run.rerequested": _rerequested,
    "check_suite.completed": _completed,
    "check_suite.rerequested": _rerequested,
    "installation.created": _installation,
    "installation.deleted": _uninstalled,
    "installation.new_permissions_accepted": _permissions_accepted,
    "installation.unsuspend": _installation,
    "installation_repositories.added": _installation_repositories,
    "installation_repositories.removed": _removed,
    "issue_comment.created": _comment,
    "merge_group.checks_requested": _merge_group,
    "pull_request.review_requested": _review_requested,
    "push": _push,
    "repository.archived": _repository_changed,
    "repository.deleted": _deleted,
    "repository.renamed": _repository_changed,
    "repository.transferred": _repository_changed,
    "status": _status,
}
"""Readers by EVENT.ACTION, or EVENT for events without actions; all others have no effect."""
