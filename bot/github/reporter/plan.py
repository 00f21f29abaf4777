"""Plans the writes that update check runs, Deployments and comment to an environment's status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.commands.table import suggested_commands
from bot.github.messages import environment as texts
from bot.github.reporter.pending_writes import COMMENT, Receipt, ReceiptEntry, Slot, WriteKind
from bot.github.reporter.subject import MAX_COMMENTS, PREVIEW_CHECK, Subject, Write, outdated
from bot.model.environment import (
    RUNNING,
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Status,
)
from bot.model.pull_request import PullRequest

_ENDED = (EnvironmentState.REFUSED, EnvironmentState.DELETING, EnvironmentState.GONE)
_COMMENTED = (
    *RUNNING,
    EnvironmentState.ASLEEP,
    EnvironmentState.FAILED,
    EnvironmentState.REFUSED,
    EnvironmentState.WAITING,
)
"""States in which a comment is created; in the others an existing one is only updated."""


def preview_subject(key: EnvironmentKey, pull: PullRequest, public_url: str, environment: str) -> Subject:
    """`environment`: name of the GitHub Environment, in which `{number}` stands for the pull request's."""
    return Subject(
        name=str(key),
        repository=pull.repository,
        pull=pull,
        page=f"{public_url.rstrip('/')}/environments/{key}",
        deployment_environment=environment.replace("{number}", str(pull.number)),
        deployment_description=f"Preview of pull request {pull.number}",
        transient=True,
    )


def plan(
    key: EnvironmentKey, subject: Subject, status: Status, receipt: Receipt, stage: str | None = None
) -> Sequence[Write]:
    """The writes that are needed; empty when GitHub is up to date. `stage` is the pipeline's first one."""
    location = texts.Location(key, subject.page, _live_url(status, receipt))
    desired = [
        *_checks(subject, status, receipt, location),
        *_deployments(subject, status, receipt),
        *_comment(status, receipt, location, stage),
    ]
    return outdated(desired, receipt)


def _checks(subject: Subject, status: Status, receipt: Receipt, location: texts.Location) -> list[Write]:
    assert subject.pull is not None, "a preview is of a pull request"
    commit = status.commit or subject.pull.head_sha
    live = status.live_commit if status.state not in _ENDED else None
    writes = []
    conclusion = _conclusion(status)
    slot = Slot(WriteKind.CHECK, commit, PREVIEW_CHECK)
    entry = receipt.entries.get(slot)
    if status.state is EnvironmentState.ASLEEP:
        writes.append(_check_asleep(subject, slot, texts.check(status, location), entry))
    elif conclusion is not None:
        # The end of a preview updates an existing check run; only a refusal creates one.
        if status.state not in (EnvironmentState.DELETING, EnvironmentState.GONE) or entry is not None:
            check = _check(subject, slot, conclusion, texts.check(status, location))
            writes.append(replace(check, url=subject.page) if status.state in RUNNING else check)
    elif entry is not None and entry.url:
        text = _text(subject, slot, texts.check(status, location))
        writes.append(replace(text, url=entry.url) if status.state is EnvironmentState.DELETING else text)
    if status.state not in _ENDED:
        writes += [
            _check(
                subject,
                Slot(WriteKind.CHECK, commit, check_name(result.name)),
                _named_conclusion(result),
                texts.named_check(result, location),
            )
            for result in status.checks
        ]
    writes += [
        _text(subject, other, texts.replaced(location))
        for other, entry in receipt.of(WriteKind.CHECK)
        if other.name == PREVIEW_CHECK and other.commit not in (commit, live) and entry.url
    ]
    planned = {write.slot for write in writes}
    ended = status.state in _ENDED
    left = [slot for slot, entry in receipt.of(WriteKind.CHECK) if entry.open and slot not in planned]
    return writes + [
        _check(subject, slot, "CANCELLED", texts.cancelled(ended or slot.commit == commit, commit))
        for slot in left
    ]


def _check_asleep(subject: Subject, slot: Slot, output: texts.Output, entry: ReceiptEntry | None) -> Write:
    """Neutral for a commit without a conclusion. Otherwise it keeps its own: failed checks do not pass."""
    neutral = replace(_check(subject, slot, "NEUTRAL", output), url=subject.page)
    concluded = entry is not None and not entry.open and entry.digest != neutral.digest
    return replace(_text(subject, slot, output), url=subject.page) if concluded else neutral


def check_name(name: str) -> str:
    """The check run's name, which cannot equal that of the environment: names have no parentheses."""
    own = f"greenroom/{name}"
    return own if own != PREVIEW_CHECK else f"{PREVIEW_CHECK} (check)"


def _conclusion(status: Status) -> str | None:
    """An empty string while in progress; None when the check run keeps its conclusion."""
    if status.state in (EnvironmentState.PENDING, EnvironmentState.WAITING):
        return ""
    if status.state is EnvironmentState.READY:
        return "SUCCESS"
    if status.state in (EnvironmentState.CHECKS_FAILED, EnvironmentState.FAILED):
        return "FAILURE"
    if status.end is EndReason.FORK:
        return "ACTION_REQUIRED"
    # A commit keeps the conclusion of its check when the pull request is closed or merged.
    return "NEUTRAL" if status.end in (EndReason.SKIPPED, EndReason.EXPIRED, EndReason.DESTROYED) else None


def _named_conclusion(result: CheckResult) -> str:
    return {CheckState.PASSED: "SUCCESS", CheckState.FAILED: "FAILURE"}.get(result.state, "")


def _check(subject: Subject, slot: Slot, conclusion: str, output: texts.Output) -> Write:
    fields = {**_text(subject, slot, output).fields, "status": "COMPLETED" if conclusion else "IN_PROGRESS"}
    if conclusion:
        fields["conclusion"] = conclusion
    return Write(slot, fields, open=not conclusion)


def _text(subject: Subject, slot: Slot, output: texts.Output) -> Write:
    """Changes only the text of a completed check run; GitHub keeps its conclusion."""
    shown = {"title": output.title, "summary": output.summary}
    if output.text is not None:
        shown["text"] = output.text
    return Write(slot, {"detailsUrl": subject.page, "output": shown}, open=False)


def _deployments(subject: Subject, status: Status, receipt: Receipt) -> list[Write]:
    current = Slot(WriteKind.DEPLOYMENT, status.commit or "")
    active = [(slot, entry) for slot, entry in receipt.of(WriteKind.DEPLOYMENT) if entry.open]
    if status.state in (*_ENDED, EnvironmentState.ASLEEP):
        return [_inactive(subject, slot, status) for slot, _ in active]
    if status.state in RUNNING and status.url:
        older = [_inactive(subject, slot, status) for slot, _ in active if slot != current]
        state = "SUCCESS" if status.state is EnvironmentState.READY else "FAILURE"
        return [_deployed(subject, current, state, status, status.url), *older]
    if status.state in RUNNING:
        return [_inactive(subject, slot, status) for slot, _ in active]
    state = "FAILURE" if status.state is EnvironmentState.FAILED else "IN_PROGRESS"
    return [
        _deployed(subject, slot, state, status, entry.url)
        if slot == current
        else _inactive(subject, slot, status)
        for slot, entry in active
        if slot.commit != status.live_commit or (slot == current and state == "FAILURE")
    ]


def _deployed(subject: Subject, slot: Slot, state: str, status: Status, url: str) -> Write:
    fields = {
        "state": state,
        "description": texts.deployment(status),
        "environmentUrl": url,
        "logUrl": subject.page,
        "autoInactive": False,
    }
    return Write(slot, fields, open=True, url=url)


def _inactive(subject: Subject, slot: Slot, status: Status) -> Write:
    fields = {
        "state": "INACTIVE",
        "description": texts.deployment_ended(status),
        "logUrl": subject.page,
        "autoInactive": False,
    }
    return Write(slot, fields, open=False)


def _comment(status: Status, receipt: Receipt, location: texts.Location, stage: str | None) -> list[Write]:
    if COMMENT not in receipt.entries:
        had_preview = status.state is EnvironmentState.GONE and bool(receipt.of(WriteKind.DEPLOYMENT))
        is_worth_one = status.state in _COMMENTED or had_preview
        if (
            not is_worth_one
            or status.end is EndReason.UNCONFIGURED
            or receipt.deleted_comments >= MAX_COMMENTS
        ):
            return []
    body = texts.comment(status, location, suggested_commands(status, stage))
    return [Write(COMMENT, {"body": body}, open=True)]


def _live_url(status: Status, receipt: Receipt) -> str | None:
    entry = receipt.entries.get(Slot(WriteKind.DEPLOYMENT, status.live_commit or ""))
    return entry.url or None if entry is not None and entry.open else None
