"""Stages, promotions, releases and the audit on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli.terminal import table, text
from bot.model.promotion import ACTIVE, AuditEntry, Hold, Lock, Promotion, PromotionState, StageRecord
from bot.model.release import PromotableRelease

_BUSY = "bold yellow"
_GOOD = frozenset({PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK})


def show_stages(found: Sequence[StageRecord]) -> None:
    if not found:
        print("There is no stage that anything was promoted to.")
        return
    now = datetime.now(UTC)
    _show(
        ("repository", "stage", "kind", "release", "commit", "kept by"),
        ([*_place(each), *_running(each), _kept(each, now)] for each in found),
    )


def promotion_table(found: Sequence[Promotion]) -> Table:
    return table(
        ("since", "promotion", "release", "asked for by", "state"),
        (
            (
                _moment(each.since),
                each.id,
                each.release.id if each.release is not None else "",
                each.requested_by or "the pipeline",
                _ended(each),
            )
            for each in found
        ),
    )


def _ended(promotion: Promotion) -> Text:
    state = promotion.state
    style = "green" if state in _GOOD else _BUSY if state in ACTIVE else "dim"
    return text(state, style) + text(f": {promotion.reason}" if promotion.reason else "")


def show_releases(found: Sequence[PromotableRelease]) -> None:
    if not found:
        print("There is no release yet: a preview has to be ready first.")
        return
    _show(
        ("release", "commit", "pull request", "made", "images"),
        (
            [
                each.id,
                each.commit[:7],
                f"#{each.number}" if each.number is not None else "",
                _moment(each.made_at),
                "\n".join(image.reference for image in each.images.values()),
            ]
            for each in found
        ),
    )


def show_audit(found: Sequence[AuditEntry]) -> None:
    if not found:
        print("Nothing is written down.")
        return
    Console().print(audit_table(found))


def audit_table(found: Sequence[AuditEntry]) -> Table:
    return table(
        ("when", "stage", "who", "what"),
        ((_moment(each.at), each.stage, each.actor or "greenroom", _done(each)) for each in found),
    )


def _done(entry: AuditEntry) -> str:
    """Such as `verifying → succeeded [8c5b605ba2]`, or `locked: load test`."""
    moved = f"{entry.before} → {entry.after}" if entry.before and entry.after else entry.before or entry.after
    said = moved if entry.action == entry.after and entry.before else entry.action
    if moved and said != moved and moved != entry.action:
        said += f" ({moved})"
    why = f": {entry.reason}" if entry.reason else ""
    return f"{said}{why} [{entry.promotion}]" if entry.promotion else f"{said}{why}"


def _moment(at: datetime) -> str:
    """In UTC, as all times here."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _place(stage: StageRecord) -> list[str]:
    return [stage.repository.full_name, stage.name, stage.key.kind.value]


def _running(stage: StageRecord) -> list[str]:
    if stage.target is None:
        return ["", ""]
    return [stage.target.release.id, stage.target.release.commit[:7]]


def _kept(stage: StageRecord, now: datetime) -> str:
    lock = stage.lock if stage.lock is not None and now < stage.lock.until else None
    told = [f"moved by {stage.active_promotion}"] if stage.active_promotion is not None else []
    if stage.pin is not None:
        told.append(
            f"pinned to {stage.pin.release}{f' (waits: {stage.pin.problem})' if stage.pin.problem else ''}"
        )
    return "; ".join(filter(None, [*told, kept(lock, stage.hold)]))


def kept(lock: Lock | None, hold: Hold | None) -> str:
    told = []
    if lock is not None:
        told.append(
            f"locked by {lock.by} until {time(lock.until)}{f' ({lock.reason})' if lock.reason else ''}"
        )
    if hold is not None:
        told.append(f"on hold: {hold.reason}")
    return "; ".join(told)


def time(moment: datetime) -> str:
    return f"{moment:%d %B, %H:%M} UTC"


def _show(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    Console().print(table(columns, rows))
