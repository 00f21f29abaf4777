"""Stages, promotions, releases and the audit on a terminal, shown as text and never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.model.promotion import MOVING, AuditEntry, Promotion, PromotionState, StageRecord
from bot.model.release import PromotableRelease

_GOOD = frozenset({PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK})


def show_stages(found: Sequence[StageRecord]) -> None:
    if not found:
        print("There is no stage that anything was promoted to.")
        return
    now = datetime.now(UTC)
    _show(
        ("repository", "stage", "release", "commit", "kept by"),
        ([*_place(each), *_running(each), _kept(each, now)] for each in found),
    )


def show_promotions(found: Sequence[Promotion]) -> None:
    if not found:
        print("Nothing was promoted there.")
        return
    table = _table(("promotion", "state", "release", "asked for by", "since", "why"))
    for each in found:
        style = "green" if each.state in _GOOD else "bold yellow" if each.state in MOVING else "dim"
        table.add_row(
            each.id,
            Text(each.state.value, style),
            each.release.id if each.release is not None else "",
            Text(each.requested_by or "the pipeline"),
            _time(each.since),
            Text(each.why),
        )
    Console().print(table)


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
                _time(each.made_at),
                "\n".join(image.reference for image in each.images.values()),
            ]
            for each in found
        ),
    )


def show_audit(found: Sequence[AuditEntry]) -> None:
    if not found:
        print("Nothing is written down.")
        return
    _show(
        ("when", "stage", "promotion", "who", "what", "before", "after", "why"),
        (
            [
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.stage,
                each.promotion,
                each.who or "greenroom",
                each.what,
                each.before,
                each.after,
                each.why,
            ]
            for each in found
        ),
    )


def _place(stage: StageRecord) -> list[str]:
    return [stage.repository.full_name, stage.name]


def _running(stage: StageRecord) -> list[str]:
    if stage.target is None:
        return ["", ""]
    return [stage.target.release.id, stage.target.release.commit[:7]]


def _kept(stage: StageRecord, now: datetime) -> str:
    told = []
    if stage.moving is not None:
        told.append(f"moved by {stage.moving}")
    if stage.lock is not None and now < stage.lock.until:
        told.append(f"locked by {stage.lock.by} until {_time(stage.lock.until)}")
    if stage.hold is not None:
        told.append(f"on hold: {stage.hold.why}")
    return "; ".join(told)


def _show(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = _table(columns)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _time(moment: datetime) -> str:
    return f"{moment:%d %B, %H:%M} UTC"
