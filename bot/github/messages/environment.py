"""Every text that a person reads on GitHub: pure functions of what is known. See tests/snapshots/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from bot.github.messages.markdown import block, code, one_line, plain
from bot.model.durations import format_elapsed
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
)
from bot.model.times import format_time

_COMMENT_DETAIL = 4_000
_CHECK_DETAIL = 60_000
_LONGEST_TITLE = 120
_LONGEST_DESCRIPTION = 140


@dataclass(frozen=True, slots=True)
class Place:
    """Where the environment can be looked at, and under which address an older commit still runs."""

    key: EnvironmentKey
    page: str
    live_url: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a check run shows."""

    title: str
    summary: str
    text: str | None = None


def marker(name: object) -> str:
    """Tells our comments apart. It proves nothing: anybody can write it."""
    return f"<!-- greenroom {name} -->"


# The comment: a few lines.


def comment(status: Status, place: Place, commands: Mapping[str, str] | None = None) -> str:
    """`commands` is what can be typed here, with what it does."""
    said = {
        EnvironmentState.PENDING: _pending,
        EnvironmentState.WAITING: _waiting,
        EnvironmentState.READY: _ready,
        EnvironmentState.ASLEEP: _asleep,
        EnvironmentState.FAILED: _failed,
        EnvironmentState.REFUSED: _refused,
        EnvironmentState.DELETING: _deleting,
        EnvironmentState.GONE: _gone,
    }[status.state](status, place)
    if status.expiring and status.expires_at is not None and status.end is None:
        said = [*said, _warning(status.expires_at)]
    typed = [f"{code(name)} {plain(does)}" for name, does in (commands or {}).items()]
    if typed:
        said = [*said, "Commands: " + " · ".join(typed)]
    return "\n\n".join([*said, marker(place.key)])


def _pending(status: Status, place: Place) -> list[str]:
    if _older_runs(status):
        return [
            f"🔄 **The preview is being updated to {_commit(status.commit)}.** {_cause(status)}".rstrip(),
            _still_older(status, place),
            _details(place),
        ]
    doing = "checked again" if status.live_commit is not None else "brought up"
    return [
        f"🔄 **The preview of {_commit(status.commit)} is being {doing}.** {_cause(status)}".rstrip(),
        _details(place),
    ]


def _waiting(status: Status, place: Place) -> list[str]:
    cause = status.cause
    said = [
        f"⏳ **The preview of {_commit(status.commit)} has to wait.** {_cause(status)}{_deadline(status)}"
    ]
    if cause is not None and cause.detail:
        said.append(block(cause.detail, _COMMENT_DETAIL))
    if _older_runs(status):
        said.append(_still_older(status, place))
    return [*said, _details(place)]


def _ready(status: Status, place: Place) -> list[str]:
    where = f": {link(status.url)}" if status.url else ". It has no route, so there is nothing to open."
    said = [f"✅ **The preview of {_commit(status.commit)} is ready**{where}"]
    facts = [f"{code(name)} {code(short_digest(digest))}" for name, digest in sorted(status.images.items())]
    if status.expires_at is not None:
        facts.append(f"until {time(status.expires_at)} (a push extends it)")
    said.append(" · ".join([*facts, _details(place)]))
    said += _notes(status)
    if status.checks:
        said.append("Checks: " + " · ".join(f"{_sign(check)} {code(check.name)}" for check in status.checks))
    return said


def _asleep(status: Status, place: Place) -> list[str]:
    return [f"😴 **The preview of {_commit(status.commit)} is asleep.** {_cause(status)} {_details(place)}"]


def _failed(status: Status, place: Place) -> list[str]:
    said = [f"❌ **The preview of {_commit(status.commit)} failed.** {_cause(status)}"]
    if status.cause is not None and status.cause.detail:
        said.append(block(status.cause.detail, _COMMENT_DETAIL))
    if _older_runs(status):
        said.append(_still_older(status, place))
    # What failed before the first phase is not the commit's fault.
    again = [] if status.phase is None else ["A push tries again."]
    return [*said, *_notes(status), " ".join([*again, _details(place)])]


def _refused(status: Status, place: Place) -> list[str]:
    return [f"⏸️ **No preview runs for this pull request.** {_cause(status)}"]


def _deleting(status: Status, place: Place) -> list[str]:
    said = [f"🧹 **The preview is being taken away.** {_cause(status)}"]
    if status.cause is not None and status.cause.detail:
        said += ["Kubernetes says what holds it up:", block(status.cause.detail, _COMMENT_DETAIL)]
    return [*said, _details(place)]


def _gone(status: Status, place: Place) -> list[str]:
    back = " Reopening it brings the preview back." if status.end is EndReason.CLOSED else ""
    return [f"🧹 **The preview is gone.** {_cause(status)}{back}"]


# Check runs: the environment's own, and one for each named check.


def check(status: Status, place: Place) -> Output:
    """The environment's check run on the commit that is wanted."""
    cause = status.cause.summary if status.cause is not None else ""
    title = {
        EnvironmentState.PENDING: "Being brought up",
        EnvironmentState.WAITING: cause or "Waiting",
        EnvironmentState.ASLEEP: "Asleep",
        EnvironmentState.READY: f"Ready: {status.url}" if status.url else "Ready",
        EnvironmentState.FAILED: f"Failed: {cause}",
        EnvironmentState.REFUSED: cause or "No preview",
        EnvironmentState.DELETING: "Being taken away",
        EnvironmentState.GONE: "Gone",
    }[status.state]
    said = []
    if status.state is EnvironmentState.READY and status.url:
        said.append(f"{_commit(status.commit)} answered at {link(status.url)}.")
    if status.cause is not None:
        said.append(_cause(status) + _deadline(status))
    said += _notes(status)
    if _older_runs(status):
        said.append(_still_older(status, place))
    facts = [f"{code(name)} is {code(digest)}" for name, digest in sorted(status.images.items())]
    if facts:
        said.append("Images: " + ", ".join(facts) + ".")
    said += [_phases(status.phases)] if status.phases else []
    detail = status.cause.detail if status.cause is not None else ""
    return Output(
        one_line(title, _LONGEST_TITLE),
        "\n\n".join([*said, _details(place)]),
        block(detail, _CHECK_DETAIL) if detail else None,
    )


def cancelled(ended: bool, commit: str | None) -> Output:
    """A check run that nobody waits for any more: its commit is not wanted now, or nothing is."""
    if ended:
        return Output("Stopped", "The environment is not wanted any more.")
    return Output("Superseded", f"{_commit(commit)} is wanted now.")


def named_check(result: CheckResult, place: Place) -> Output:
    title = {
        CheckState.QUEUED: "Not started yet",
        CheckState.RUNNING: "Running",
        CheckState.PASSED: "Passed",
        CheckState.FAILED: "Failed",
    }[result.state]
    took = f" in {format_elapsed(result.seconds)}" if result.seconds is not None else ""
    ended = took if result.state in (CheckState.PASSED, CheckState.FAILED) else ""
    said = [plain(result.summary)] if result.summary else []
    return Output(
        f"{title}{ended}",
        "\n\n".join([*said, _details(place)]),
        block(result.detail, _CHECK_DETAIL) if result.detail else None,
    )


# Deployments.


def deployment(status: Status) -> str:
    """What a Deployment's status says, in at most 140 characters."""
    if status.state is EnvironmentState.FAILED:
        return one_line(f"Failed: {status.cause.summary if status.cause else ''}", _LONGEST_DESCRIPTION)
    return f"{(status.commit or '')[:7]} answers through the gateway"


def deployment_ended(status: Status) -> str:
    if status.state is EnvironmentState.READY:
        return f"Replaced by {(status.commit or '')[:7]}"
    return one_line(status.cause.summary if status.cause else "Not wanted any more", _LONGEST_DESCRIPTION)


def deployment_retired() -> str:
    return "Nothing of it is left on the cluster"


# Pieces.


def _older_runs(status: Status) -> bool:
    comes = (EnvironmentState.PENDING, EnvironmentState.WAITING, EnvironmentState.FAILED)
    return status.state in comes and status.live_commit not in (None, status.commit)


def _still_older(status: Status, place: Place) -> str:
    where = f" at {link(place.live_url)}" if place.live_url else ""
    return f"What runs{where} is still the older {_commit(status.live_commit)}."


def _notes(status: Status) -> list[str]:
    return [f"💡 {plain(note)}" for note in status.notes]


def _commit(sha: str | None) -> str:
    return code((sha or "unknown")[:7])


def short_digest(digest: str) -> str:
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}{colon}{value[:12]}"


def _cause(status: Status) -> str:
    return plain(status.cause.summary) if status.cause is not None else ""


def _deadline(status: Status) -> str:
    until = status.cause.until if status.cause is not None else None
    return f" It gives up at {time(until)}." if until is not None else ""


def _details(place: Place) -> str:
    return f"[Phases and logs]({place.page})"


def link(url: str | None) -> str:
    host = urlsplit(url or "").netloc
    return f"[{host.replace('[', '').replace(']', '')}]({url})"


def _warning(expires_at: datetime) -> str:
    kept = f"{code('/extend 24h')} keeps it longer, and a push gives it its whole time again."
    return f"⏰ **It is taken away at {time(expires_at)}.** {kept}"


def time(moment: datetime) -> str:
    return format_time(moment, year=True)


def _sign(result: CheckResult) -> str:
    return {CheckState.PASSED: "✅", CheckState.FAILED: "❌"}.get(result.state, "🔄")


def _phases(phases: Mapping[Phase, PhaseRecord]) -> str:
    rows = ["| Phase | Took |", "|---|--:|"]
    total = 0.0
    for phase in Phase:
        record = phases.get(phase)
        if record is None:
            continue
        total += record.seconds or 0.0
        rows.append(f"| {phase} | {'…' if record.seconds is None else format_elapsed(record.seconds)} |")
    return "\n".join([*rows, f"| **together** | **{format_elapsed(total)}** |"])
