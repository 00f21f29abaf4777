"""What GitHub should say of an environment, and which writes that takes. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.commands.table import offered
from bot.github import texts
from bot.github.receipt import COMMENT, Entry, Kind, Receipt, Slot
from bot.model.environment import CheckResult, CheckState, End, EnvironmentKey, EnvironmentState, Status
from bot.model.pull_request import PullRequest

CHECK = "greenroom/preview"

_ENDED = (EnvironmentState.REFUSED, EnvironmentState.DELETING, EnvironmentState.GONE)
_COMMENTED = (
    EnvironmentState.READY,
    EnvironmentState.ASLEEP,
    EnvironmentState.FAILED,
    EnvironmentState.REFUSED,
    EnvironmentState.WAITING,
)
"""States that are worth a comment; in the others one that is there is only brought up to date."""
_COMMENTS = 2
"""A comment that somebody deleted is written once more; who deletes it again does not want it."""


def preview_environment(number: int) -> str:
    """What GitHub calls the environment of a pull request's Deployments."""
    return f"preview/pr-{number}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose report this is."""

    key: EnvironmentKey
    pull: PullRequest
    public_url: str

    @property
    def page(self) -> str:
        return f"{self.public_url.rstrip('/')}/environments/{self.key}"

    @property
    def deployment_environment(self) -> str:
        return preview_environment(self.pull.number)

    def external_id(self, slot: Slot) -> str:
        """What a check run carries, so that it can be found again."""
        return str(self.key) if slot.name == CHECK else f"{self.key}/{slot.name}"


@dataclass(frozen=True, slots=True)
class Write:
    """One slot that does not say what it should. `id` None: it has to be created."""

    slot: Slot
    fields: Mapping[str, Any]
    open: bool
    id: str | None = None
    url: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def entry(self) -> Entry:
        return Entry(self.id, self.digest, self.open, self.url)


def plan(subject: Subject, status: Status, receipt: Receipt) -> Sequence[Write]:
    """Empty when GitHub says already what it should."""
    wanted = [
        *_checks(subject, status, receipt),
        *_deployments(subject, status, receipt),
        *_comment(subject, status, receipt),
    ]
    writes = []
    for write in wanted:
        known = receipt.entries.get(write.slot)
        if known is None:
            writes.append(write)
        elif known.digest != write.digest:
            writes.append(replace(write, id=known.id, url=write.url or known.url))
    return writes


def _checks(subject: Subject, status: Status, receipt: Receipt) -> list[Write]:
    place = texts.Place(subject.key, subject.page, _live_url(status, receipt))
    commit = status.commit or subject.pull.head_sha
    wanted = []
    conclusion = _conclusion(status)
    if conclusion is not None:
        slot = Slot(Kind.CHECK, commit, CHECK)
        # What ended is told on a check run that is there; only a refusal is worth a new one.
        if status.state not in (EnvironmentState.DELETING, EnvironmentState.GONE) or slot in receipt.entries:
            wanted.append(_check(subject, slot, conclusion, texts.check(status, place)))
    if status.state not in _ENDED:
        wanted += [
            _check(
                subject,
                Slot(Kind.CHECK, commit, check_name(result.name)),
                _named_conclusion(result),
                texts.named_check(result, place),
            )
            for result in status.checks
        ]
    told = {write.slot for write in wanted}
    ended = status.state in _ENDED
    left = [slot for slot, entry in receipt.of(Kind.CHECK) if entry.open and slot not in told]
    return wanted + [
        _check(subject, slot, "CANCELLED", texts.cancelled(ended or slot.commit == commit, commit))
        for slot in left
    ]


def check_name(name: str) -> str:
    """No named check may pass for the environment's own; names have no parentheses."""
    own = f"greenroom/{name}"
    return own if own != CHECK else f"{CHECK} (check)"


def _conclusion(status: Status) -> str | None:
    """ "" while it is in progress; None when nothing is to be said of the commit."""
    if status.state in (EnvironmentState.PENDING, EnvironmentState.WAITING):
        return ""
    if status.state is EnvironmentState.READY:
        return "SUCCESS"
    if status.state is EnvironmentState.FAILED:
        return "FAILURE"
    if status.state is EnvironmentState.ASLEEP:
        return "NEUTRAL"
    if status.end is End.FORK:
        return "ACTION_REQUIRED"
    # A commit that had its preview keeps its green check when the pull request is closed or merged.
    return "NEUTRAL" if status.end in (End.SKIPPED, End.EXPIRED, End.DESTROYED) else None


def _named_conclusion(result: CheckResult) -> str:
    return {CheckState.PASSED: "SUCCESS", CheckState.FAILED: "FAILURE"}.get(result.state, "")


def _check(subject: Subject, slot: Slot, conclusion: str, output: texts.Output) -> Write:
    shown = {"title": output.title, "summary": output.summary}
    fields: dict[str, Any] = {
        "detailsUrl": subject.page,
        "status": "COMPLETED" if conclusion else "IN_PROGRESS",
        "output": shown if output.text is None else {**shown, "text": output.text},
    }
    if conclusion:
        fields["conclusion"] = conclusion
    return Write(slot, fields, open=not conclusion)


def _deployments(subject: Subject, status: Status, receipt: Receipt) -> list[Write]:
    current = Slot(Kind.DEPLOYMENT, status.commit or "")
    known = [(slot, entry) for slot, entry in receipt.of(Kind.DEPLOYMENT) if entry.open]
    if status.state in (*_ENDED, EnvironmentState.ASLEEP):
        return [_inactive(subject, slot, status) for slot, _ in known]
    if status.state is EnvironmentState.READY and status.url:
        older = [_inactive(subject, slot, status) for slot, _ in known if slot != current]
        return [_deployed(subject, current, "SUCCESS", status, status.url), *older]
    if status.state is EnvironmentState.FAILED:
        return [
            _deployed(subject, slot, "FAILURE", status, entry.url) for slot, entry in known if slot == current
        ]
    return []


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


def _comment(subject: Subject, status: Status, receipt: Receipt) -> list[Write]:
    something = COMMENT in receipt.entries
    if not something:
        had_one = status.state is EnvironmentState.GONE and bool(receipt.of(Kind.DEPLOYMENT))
        worth_it = status.state in _COMMENTED or had_one
        if not worth_it or status.end is End.UNCONFIGURED or receipt.lost_comments >= _COMMENTS:
            return []
    place = texts.Place(subject.key, subject.page, _live_url(status, receipt))
    return [Write(COMMENT, {"body": texts.comment(status, place, offered(status))}, open=True)]


def _live_url(status: Status, receipt: Receipt) -> str | None:
    entry = receipt.entries.get(Slot(Kind.DEPLOYMENT, status.live_commit or ""))
    return entry.url or None if entry is not None and entry.open else None
