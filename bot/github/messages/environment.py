"""Texts about an environment: comment, check runs and Deployments. Pure; see tests/snapshots/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.github.messages.markdown import (
    block,
    bullet_list,
    code,
    link,
    one_line,
    plain,
    short_digest,
    timestamp,
)
from bot.github.messages.status_parts import addresses, cause_text, manifest_notes, with_cause
from bot.model.durations import format_elapsed
from bot.model.environment import (
    RUNNING,
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    phases_of,
)

_NO_ROUTE = "It has no URL, because it has no route."
_COMMENT_DETAIL = 4_000
_CHECK_DETAIL = 60_000
_LONGEST_TITLE = 120
_LONGEST_DESCRIPTION = 140


@dataclass(frozen=True, slots=True)
class Location:
    """Addresses: the environment's page, and the URL at which the previous commit is still served."""

    key: EnvironmentKey
    page: str
    live_url: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a check run: title and summary in Markdown, `text` with the log."""

    title: str
    summary: str
    text: str | None = None


def merge_group() -> Output:
    """Output of the check runs on a commit of the merge queue."""
    summary = "A merge queue's commit has no preview. Its pull requests had theirs before they were queued."
    return Output("Checked on the pull requests", summary)


def marker(name: object) -> str:
    """Identifies our comment. No proof of authorship: anybody can write it."""
    return f"<!-- greenroom {name} -->"


# The comment


def comment(status: Status, place: Location, commands: Mapping[str, str] | None = None) -> str:
    """The comment's body. `commands` are the suggested commands with their descriptions."""
    paragraphs = {
        EnvironmentState.PENDING: _pending,
        EnvironmentState.WAITING: _waiting,
        EnvironmentState.READY: _ready,
        EnvironmentState.CHECKS_FAILED: _checks_failed,
        EnvironmentState.ASLEEP: _asleep,
        EnvironmentState.FAILED: _failed,
        EnvironmentState.REFUSED: _refused,
        EnvironmentState.DELETING: _deleting,
        EnvironmentState.GONE: _gone,
    }[status.state](status, place)
    if status.expiring and status.expires_at is not None and status.end is None:
        paragraphs = [*paragraphs, _expiry_warning(status.expires_at)]
    suggestions = [f"{code(usage)} {plain(effect)}" for usage, effect in (commands or {}).items()]
    if suggestions:
        paragraphs = [*paragraphs, "Commands: " + " · ".join(suggestions)]
    return "\n\n".join([*paragraphs, marker(place.key)])


def _pending(status: Status, place: Location) -> list[str]:
    if _previous_is_live(status):
        return [
            with_cause(f"🔄 **Updating the preview to {_commit(status.commit)}.**", status),
            _still_served(status, place),
            _details(place),
        ]
    action = "Redeploying" if status.live_commit is not None else "Deploying"
    return [
        with_cause(f"🔄 **{action} the preview of {_commit(status.commit)}.**", status),
        _details(place),
    ]


def _waiting(status: Status, place: Location) -> list[str]:
    cause = status.cause
    paragraphs = [with_cause(f"⏳ **The preview of {_commit(status.commit)} is waiting.**", status)]
    if cause is not None and cause.detail:
        paragraphs.append(block(cause.detail, _COMMENT_DETAIL))
    if _previous_is_live(status):
        paragraphs.append(_still_served(status, place))
    return [*paragraphs, _details(place)]


def _ready(status: Status, place: Location) -> list[str]:
    commit = _commit(status.commit)
    if status.url:
        paragraphs = [f"✅ **The preview of {commit} is ready**: {link(status.url)}"]
    else:
        paragraphs = [f"✅ **The preview of {commit} is ready.** {_NO_ROUTE}"]
    return [*paragraphs, *addresses(status), *_running(status, place)]


def _checks_failed(status: Status, place: Location) -> list[str]:
    headline = f"❌ **The preview of {_commit(status.commit)} runs, but its checks failed"
    headline += f"**: {link(status.url)}" if status.url else f".** {_NO_ROUTE}"
    failed = (
        f"{check_symbol(check)} {code(check.name)}: {plain(check.summary)}" for check in status.failed_checks
    )
    return [headline, *addresses(status), bullet_list(failed), *_running(status, place)]


def _running(status: Status, place: Location) -> list[str]:
    facts = [f"{code(name)} {code(short_digest(digest))}" for name, digest in sorted(status.images.items())]
    if status.expires_at is not None:
        facts.append(f"expires on {timestamp(status.expires_at)} (a push resets the timer)")
    paragraphs = [" · ".join([*facts, _details(place)]), *_notes(status)]
    if status.checks:
        results = " · ".join(f"{check_symbol(check)} {code(check.name)}" for check in status.checks)
        paragraphs.append(f"Checks: {results}")
    return paragraphs


def _asleep(status: Status, place: Location) -> list[str]:
    headline = f"😴 **The preview of {_commit(status.commit)} is asleep"
    headline += f"**: {link(status.url)}" if status.url else ".**"
    expires = f"It expires on {timestamp(status.expires_at)}." if status.expires_at is not None else ""
    return [headline, " ".join(filter(None, (cause_text(status), expires, _details(place))))]


def _failed(status: Status, place: Location) -> list[str]:
    paragraphs = [with_cause(f"❌ **The preview of {_commit(status.commit)} failed.**", status)]
    if status.cause is not None and status.cause.detail:
        paragraphs.append(block(status.cause.detail, _COMMENT_DETAIL))
    if _previous_is_live(status):
        paragraphs.append(_still_served(status, place))
    return [*paragraphs, *_notes(status), " ".join([*_advice(status), _details(place)])]


def _advice(status: Status) -> list[str]:
    if status.phase in (None, Phase.CONFIGURATION):
        return []  # configuration and secrets are not part of the commit
    retried = status.cause is not None and status.cause.retried
    return ["Greenroom retries automatically." if retried else "Push a fix to retry."]


def _refused(status: Status, place: Location) -> list[str]:
    return [with_cause("⏸️ **This pull request has no preview.**", status)]


def _deleting(status: Status, place: Location) -> list[str]:
    paragraphs = [with_cause("🧹 **Deleting the preview.**", status)]
    if status.cause is not None and status.cause.detail:
        paragraphs += [
            "Kubernetes reports what blocks the deletion:",
            block(status.cause.detail, _COMMENT_DETAIL),
        ]
    return [*paragraphs, _details(place)]


def _gone(status: Status, place: Location) -> list[str]:
    advice = " Reopen it to deploy the preview again." if status.end is EndReason.CLOSED else ""
    return [with_cause("🧹 **The preview was deleted.**", status, advice)]


# Check runs: the environment's own, and one for each named check


def check(status: Status, place: Location) -> Output:
    """The environment's check run on the desired commit."""
    cause = status.cause.summary if status.cause is not None else ""
    title = {
        EnvironmentState.PENDING: "Deploying",
        EnvironmentState.WAITING: cause or "Waiting",
        EnvironmentState.ASLEEP: "Asleep",
        EnvironmentState.READY: f"Ready: {status.url}" if status.url else "Ready",
        EnvironmentState.CHECKS_FAILED: f"Failed checks: {_names(status)}",
        EnvironmentState.FAILED: f"Failed: {cause}",
        EnvironmentState.REFUSED: cause or "No preview",
        EnvironmentState.DELETING: "Deleting",
        EnvironmentState.GONE: _DELETED.get(status.end, "Deleted"),
    }[status.state]
    paragraphs = []
    if status.state in RUNNING and status.url:
        paragraphs.append(f"{_commit(status.commit)} responds at {link(status.url)}.")
        paragraphs += addresses(status)
    if status.cause is not None:
        paragraphs.append(cause_text(status))
    paragraphs += [*_notes(status), *manifest_notes(status)]
    if _previous_is_live(status):
        paragraphs.append(_still_served(status, place))
    images = [f"- {code(name)} {code(digest)}" for name, digest in sorted(status.images.items())]
    if images:
        paragraphs.append("\n".join(["Images:", "", *images]))
    failed = status.state is EnvironmentState.FAILED
    paragraphs += [_phase_table(status.phases, failed=failed)] if status.phases else []
    detail = status.cause.detail if status.cause is not None else ""
    return Output(
        one_line(title, _LONGEST_TITLE),
        "\n\n".join([*paragraphs, _details(place)]),
        block(detail, _CHECK_DETAIL) if detail else None,
    )


_DELETED: Mapping[EndReason | None, str] = {
    EndReason.CLOSED: "Deleted: the pull request was closed",
    EndReason.MERGED: "Deleted: the pull request was merged",
}


def replaced(place: Location) -> Output:
    """The check run of a commit that the preview no longer runs."""
    text = "The preview no longer runs this commit."
    return Output("Replaced by a newer commit", f"{text}\n\n{_details(place)}")


def cancelled(ended: bool, commit: str | None) -> Output:
    """A check run that ends without a result: the preview ended, or `commit` replaced its commit."""
    if ended:
        return Output("Cancelled", "The preview ended, or the check was removed, before this check finished.")
    return Output("Superseded", f"{_commit(commit)} replaced this commit.")


def named_check(result: CheckResult, place: Location) -> Output:
    title = {
        CheckState.QUEUED: "Queued",
        CheckState.RUNNING: "Running",
        CheckState.PASSED: "Passed",
        CheckState.FAILED: "Failed",
    }[result.state]
    if result.seconds is not None and result.state in (CheckState.PASSED, CheckState.FAILED):
        title += f" in {format_elapsed(result.seconds)}"
    summary = [plain(result.summary)] if result.summary else []
    return Output(
        title,
        "\n\n".join([*summary, _details(place)]),
        block(result.detail, _CHECK_DETAIL) if result.detail else None,
    )


# Deployments


def deployment(status: Status) -> str:
    """Description of a Deployment's status, in at most 140 characters."""
    if status.state is EnvironmentState.FAILED:
        return one_line(f"Failed: {status.cause.summary if status.cause else ''}", _LONGEST_DESCRIPTION)
    commit = (status.commit or "")[:7]
    if status.state is EnvironmentState.CHECKS_FAILED:
        return one_line(f"Serving {commit}; failed checks: {_names(status)}", _LONGEST_DESCRIPTION)
    return f"Serving {commit}" if status.state is EnvironmentState.READY else f"Deploying {commit}"


def deployment_ended(status: Status) -> str:
    if status.state in RUNNING:
        return f"Replaced by {(status.commit or '')[:7]}"
    return one_line(status.cause.summary if status.cause else "No longer requested", _LONGEST_DESCRIPTION)


def deployment_retired() -> str:
    return "Deleted from the cluster"


# Parts


def _previous_is_live(status: Status) -> bool:
    unfinished = (EnvironmentState.PENDING, EnvironmentState.WAITING, EnvironmentState.FAILED)
    return status.state in unfinished and status.live_commit not in (None, status.commit)


def _still_served(status: Status, place: Location) -> str:
    server = link(place.live_url) if place.live_url else "The cluster"
    action = "serves" if place.live_url else "runs"
    return f"{server} still {action} the previous commit, {_commit(status.live_commit)}."


def _notes(status: Status) -> list[str]:
    return [f"💡 {plain(note)}" for note in status.notes]


def _names(status: Status) -> str:
    return ", ".join(check.name for check in status.failed_checks)


def _commit(sha: str | None) -> str:
    return code((sha or "unknown")[:7])


def _details(place: Location) -> str:
    return f"[Phases and logs]({place.page})"


def _expiry_warning(expires_at: datetime) -> str:
    advice = f"{code('/extend 24h')} keeps it longer; a push resets the timer."
    return f"⏰ **The preview expires on {timestamp(expires_at)}.** {advice}"


def check_symbol(result: CheckResult) -> str:
    return {CheckState.PASSED: "✅", CheckState.FAILED: "❌"}.get(result.state, "🔄")


def _duration(record: PhaseRecord, *, failed: bool) -> str:
    if record.seconds is not None:
        return format_elapsed(record.seconds)
    if failed and record.failed_at is not None:
        return f"failed after {format_elapsed((record.failed_at - record.started_at).total_seconds())}"
    return "failed" if failed else "running"


def _phase_table(phases: Mapping[Phase, PhaseRecord], *, failed: bool) -> str:
    rows = ["| Phase | Duration |", "|---|--:|"]
    total = 0.0
    for phase in phases_of(EnvironmentKind.PREVIEW, phases):  # check runs are those of previews
        record = phases.get(phase)
        if record is None:
            continue
        total += record.seconds or 0.0
        rows.append(f"| {phase} | {_duration(record, failed=failed)} |")
    return "\n".join([*rows, f"| **total** | **{format_elapsed(total)}** |"])
