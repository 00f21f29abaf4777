"""Texts about drift: the stage's issue, the answer to `/drift`, and lines for pages and terminals. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bot.github.messages.markdown import bullet_list, code, diff_block, plain, sentence, timestamp
from bot.model.drift import DriftAction, DriftKind, DriftRecord, DriftState, Finding, Unreadable

_LONGEST_DIFF = 30_000
_MAX_LISTED = 40
_NOT_RECORDED = "not recorded"


def drift_marker(record: DriftRecord) -> str:
    """Identifies the stage's issue."""
    return f"<!-- greenroom:drift {record.key} -->"


def issue_title(record: DriftRecord) -> str:
    return f"Drift of {record.key.name}: live objects differ from what was deployed"


def issue_body(record: DriftRecord) -> str:
    """The issue while there is drift."""
    name = record.key.name
    since = f" since {timestamp(record.since)}" if record.since is not None else ""
    parts = [
        drift_marker(record),
        f"Live objects of {code(name)} differ from what its last successful deployment applied{since}. "
        f"{sentence(summary(record))}",
        diff_block(diff(record.confirmed), _LONGEST_DIFF),
        bullet_list(
            [_attributed(finding) for finding in record.confirmed[:_MAX_LISTED]], "**Who changed it**"
        ),
        bullet_list([unreadable_line(unreadable) for unreadable in record.unreadable], "**Not compared**"),
        _repairs(record),
        _resources(record),
        "`-` is what was deployed, `+` is what exists now. Values of Secrets, ConfigMaps and variables are "
        f"never shown. Deploy {code(name)} again, or undo the change, and this issue is closed. "
        f"`/drift {name}` on a pull request shows the current state.",
    ]
    return "\n\n".join(part for part in parts if part)


def closed_body(record: DriftRecord) -> str:
    """The issue when there is no drift any more."""
    when = f" at {timestamp(record.checked_at)}" if record.checked_at is not None else ""
    parts = [
        drift_marker(record),
        f"No drift of {code(record.key.name)} was found{when}. New drift reopens this issue.",
        _repairs(record),
    ]
    return "\n\n".join(part for part in parts if part)


def summary(record: DriftRecord | None) -> str:
    """One clause about the state, without a full stop."""
    if record is None or record.checked_at is None:
        return "not compared yet"
    if record.confirmed:
        objects = len({finding.object for finding in record.confirmed})
        fields = len(record.confirmed)
        return f"{fields} difference{'s' * (fields != 1)} in {objects} object{'s' * (objects != 1)}"
    if record.unreadable:
        return f"unknown: {unreadable_text(record.unreadable[0])}"
    if record.suspected:
        return "no confirmed drift; something differed in the last comparison and is compared again"
    return "no drift"


def diff(findings: Sequence[Finding]) -> Iterator[str]:
    """Lines of a diff, grouped by object: `-` is what was deployed, `+` what exists."""
    for name, group in groupby(findings, key=lambda finding: finding.object):
        yield f"@@ {name} @@"
        for finding in group:
            yield from _lines(finding)


def answer_text(name: str, record: DriftRecord | None) -> str:
    """The answer to `/drift`."""
    if record is None or record.checked_at is None:
        return f"{code(name)} has not been compared with its deployment yet. The comparison starts now."
    parts = [
        f"{code(name)}: {plain(summary(record))}, compared at {timestamp(record.checked_at)}. "
        "Another comparison starts now.",
        sentence(resources_text(record)) if record.resources is not None else "",
        diff_block(diff(record.confirmed), _LONGEST_DIFF) if record.confirmed else "",
        bullet_list([unreadable_line(unreadable) for unreadable in record.unreadable], "**Not compared**"),
    ]
    return "\n\n".join(part for part in parts if part)


def unreadable_text(unreadable: Unreadable) -> str:
    """Without markup."""
    return f"{unreadable.subject}: {unreadable.problem}" if unreadable.subject else unreadable.problem


def unreadable_line(unreadable: Unreadable) -> str:
    return plain(unreadable_text(unreadable), 400)


def attribution(finding: Finding) -> str:
    """Field manager and time, as far as the API server records them; without markup."""
    if finding.at is not None:
        return f"{finding.manager or _NOT_RECORDED}, {timestamp(finding.at)}"
    return finding.manager or _NOT_RECORDED


def resources_text(record: DriftRecord) -> str:
    """One clause about the last Terraform plan, without a full stop; "" without infrastructure."""
    resources = record.resources
    if resources is None:
        return ""
    if resources.checked_at is None:
        return "Terraform resources: not compared yet"
    running = ", a plan is under way" if resources.run else ""
    return f"Terraform resources: last compared at {timestamp(resources.checked_at)}{running}"


def state_label(record: DriftRecord | None) -> str:
    state = record.state if record is not None else DriftState.UNKNOWN
    return state.value


def _lines(finding: Finding) -> Iterator[str]:
    match finding.kind:
        case DriftKind.REMOVED:
            yield f"-{_whole(finding)}"
        case DriftKind.ADDED_OBJECT:
            yield f"+{_whole(finding)}"
        case DriftKind.ADDED_FIELD:
            yield f"+{finding.path}{_value(finding.actual)}"
        case DriftKind.CHANGED | DriftKind.IMAGE:
            name = finding.path or _whole(finding)
            yield f"-{name}{_value(finding.expected)}"
            yield f"+{name}{_value(finding.actual)}"


def _whole(finding: Finding) -> str:
    return "the resource" if finding.resource else "the object"


def _value(text: str) -> str:
    return f": {text}" if text else " (value not shown)"


def _attributed(finding: Finding) -> str:
    where = code(f"{finding.object} {finding.path}".strip())
    if not finding.manager and finding.at is None:
        return f"{where}: {_NOT_RECORDED}"
    manager = code(finding.manager) if finding.manager else _NOT_RECORDED
    return f"{where}: {manager}" + (f", {timestamp(finding.at)}" if finding.at is not None else "")


def _resources(record: DriftRecord) -> str:
    if not any(finding.resource for finding in record.confirmed):
        return ""
    resources, name = record.resources, code(record.key.name)
    when = f" at {timestamp(resources.checked_at)}" if resources and resources.checked_at else ""
    return (
        f"A Terraform plan{when} showed that resources differ from what was applied. The next deployment of "
        f"{name} plans them again; `drift: heal` never applies infrastructure."
    )


def _repairs(record: DriftRecord) -> str:
    items = []
    for heal in record.heals:
        done = ", ".join(map(code, heal.healed)) or "nothing"
        problem = f" ({plain(heal.problem, 400)})" if heal.problem else ""
        items.append(f"{timestamp(heal.at)}: applied {done}{problem}")
    if record.action is not DriftAction.HEAL:
        return ""
    return bullet_list(items, "**Repairs of the last day**")
