"""No text about a preview contradicts its state, whatever the state was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from bot.github.reporter.pending_writes import Receipt, Slot, WriteKind
from bot.github.reporter.plan import plan, preview_subject
from bot.github.reporter.subject import PREVIEW_CHECK
from bot.github.resources.pull_requests import read_pull_request
from bot.model.environment import (
    RUNNING,
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentState,
    Status,
    StatusMessage,
)
from tests.unit.github.github_api import pull_json
from tests.unit.github.previews import KEY, URL

PUBLIC_URL = "https://greenroom.example.com/"
SUBJECT = preview_subject(KEY, read_pull_request(pull_json(), 20), PUBLIC_URL, "preview")
OLD, NEW = "a" * 40, "b" * 40
CAUSE = StatusMessage("It has a reason.")
SMOKE = CheckResult("smoke", CheckState.FAILED, "It is down.")
ENDED = {
    EndReason.CLOSED: EnvironmentState.GONE,
    EndReason.MERGED: EnvironmentState.GONE,
    EndReason.EXPIRED: EnvironmentState.GONE,
    EndReason.DESTROYED: EnvironmentState.DELETING,
    EndReason.SKIPPED: EnvironmentState.REFUSED,
    EndReason.UNCONFIGURED: EnvironmentState.GONE,
}


class GitHub:
    """The objects on GitHub: an update keeps the fields that it does not name."""

    def __init__(self) -> None:
        self.objects: dict[Slot, dict[str, Any]] = {}
        self.receipt = Receipt()

    def report(self, status: Status) -> None:
        for number, write in enumerate(plan(KEY, SUBJECT, status, self.receipt)):
            shown = self.objects.setdefault(write.slot, {})
            shown.update(write.fields)
            if shown.get("status") == "IN_PROGRESS":
                shown.pop("conclusion", None)
            entry = replace(write.entry, id=write.id or f"{write.slot}-{number}")
            self.receipt = self.receipt.with_entry(write.slot, entry)


def _statuses(commit: str, live: str | None) -> Sequence[Status]:
    """Every state of the environment of a head; `live` responded before."""
    base = Status(EnvironmentState.PENDING, commit=commit, live_commit=live)
    runs = replace(base, state=EnvironmentState.READY, live_commit=commit, url=URL)
    red = replace(runs, state=EnvironmentState.CHECKS_FAILED, checks=(SMOKE,), cause=CAUSE)
    return [
        base,
        replace(base, state=EnvironmentState.WAITING, cause=CAUSE),
        runs,
        replace(runs, url=None),
        red,
        replace(red, url=None),
        replace(base, state=EnvironmentState.ASLEEP, live_commit=None, cause=CAUSE),
        replace(base, state=EnvironmentState.FAILED, cause=CAUSE),
        replace(base, state=EnvironmentState.FAILED, live_commit=None, cause=CAUSE),
        *(Status(state, commit=commit, end=end, cause=CAUSE) for end, state in ENDED.items()),
    ]


STATUSES = [*_statuses(OLD, None), *_statuses(OLD, OLD), *_statuses(NEW, OLD), *_statuses(NEW, NEW)]


def test_texts_about_a_preview_agree_with_its_state() -> None:
    ready = _statuses(OLD, None)[2]
    for pair in permutations(STATUSES, 2):
        if not _follows(ready, pair[0]) or not _follows(*pair):
            continue
        github = GitHub()
        for status in (ready, *pair):
            github.report(status)
            _check(github, status)


def _follows(before: Status, after: Status) -> bool:
    """Only a commit that is deployed starts to respond."""
    return after.live_commit in (None, before.live_commit) or after.state in RUNNING


def _check(github: GitHub, status: Status) -> None:
    state, ended = status.state, status.end is not None
    for slot, shown in github.objects.items():
        serves = slot.commit == status.live_commit and not ended
        if slot.kind is WriteKind.CHECK and slot.name == PREVIEW_CHECK:
            text = str(shown["output"])
            claims = any(claim in text for claim in ("Ready", "responds at", "Failed checks"))
            assert not claims or serves, (status, text)
            is_current = slot.commit == status.commit
            assert "Asleep" not in text or (is_current and state is EnvironmentState.ASLEEP)
            if is_current and state is EnvironmentState.ASLEEP:
                assert shown.get("conclusion"), "a commit keeps its conclusion"
            elif is_current and not ended:
                assert shown.get("conclusion") == CONCLUSIONS.get(state, "FAILURE")
        if slot.kind is WriteKind.DEPLOYMENT and shown["state"] == "SUCCESS":
            assert serves, (status, shown)
            assert state is not EnvironmentState.ASLEEP
            assert slot.commit != status.commit or state not in RED
        if slot.kind is WriteKind.DEPLOYMENT and ended:
            assert shown["state"] == "INACTIVE"
        if slot.kind is WriteKind.COMMENT:
            body = shown["body"]
            assert ("is ready" in body) == (state is EnvironmentState.READY)
            assert ("checks failed" in body) == (state is EnvironmentState.CHECKS_FAILED)
            linked = (state in RUNNING and status.url is not None) or "still serves" in body
            assert (URL in body) == linked


RED = (EnvironmentState.FAILED, EnvironmentState.CHECKS_FAILED)
CONCLUSIONS = {
    EnvironmentState.PENDING: None,
    EnvironmentState.WAITING: None,
    EnvironmentState.READY: "SUCCESS",
    EnvironmentState.ASLEEP: "NEUTRAL",
}
