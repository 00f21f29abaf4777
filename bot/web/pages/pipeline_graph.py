"""The pipeline of a repository as a drawing and as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bot.github.messages.stage_summary import state_label, waits_for
from bot.model.environment import EnvironmentKind
from bot.model.release import PromotableRelease
from bot.promotions.views import PipelineView, StageView
from bot.web.pages.badge import Badge, badge

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 286, 104, 56, 22, 8
_CHARACTERS, _BOLD_CHARACTERS = 35, 32
"""Characters of a line of a box."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of the drawing. Its texts are plain and may be hostile."""

    name: str
    badge: Badge
    after: tuple[str, ...]
    runs: str
    """The release that responds there, or what is known of it."""
    behind: str
    """Number of releases that it is behind the stages before it; "" for none."""
    coming: str
    """The promotion that has not ended; "" without one."""
    waits: str
    """For what, or for whom, that promotion waits."""
    marks: tuple[str, ...] = ()
    """Such as `locked by ada`."""


def stage_rows(pipeline: PipelineView) -> list[StageRow]:
    """The stages in the order of the pipeline, without demos."""
    stages = {stage.name: stage for stage in pipeline.stages if stage.key.kind is EnvironmentKind.STAGE}
    return [_row(stage, stages) for stage in stages.values()]


def pipeline_svg(rows: Sequence[StageRow]) -> Markup:
    """The drawing: stages from left to right, with lines from the stages before. "" without stages."""
    if not rows:
        return Markup()
    places = _places(rows)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN
    edges = Markup().join(
        _edge(places[before], places[row.name], is_active=bool(row.coming))
        for row in rows
        for before in row.after
        if before in places
    )
    boxes = Markup().join(_box(row, *places[row.name]) for row in rows)
    return Markup(
        '<svg class="pipeline" role="img" aria-labelledby="pipeline-title pipeline-desc"'
        ' viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        '<title id="pipeline-title">Pipeline</title><desc id="pipeline-desc">{description}</desc>'
        "{edges}{boxes}</svg>"
    ).format(width=width, height=height, description=_description(rows), edges=edges, boxes=boxes)


def _row(stage: StageView, stages: Mapping[str, StageView]) -> StageRow:
    pending = next(iter(stage.pending_promotions), None)
    coming = ""
    if pending is not None:
        release = pending.promotion.release
        coming = f"{release.id if release else 'a release'}: {state_label(pending.promotion.state)}"
    return StageRow(
        name=stage.name,
        badge=badge(stage),
        after=stage.after,
        runs=_release(stage.running or stage.release) if stage.release is not None else "nothing",
        behind=_behind(stage, [stages[name] for name in stage.after if name in stages]),
        coming=coming,
        waits="; ".join(waits_for(pending)) if pending is not None else "",
        marks=(f"locked by {stage.lock.by}",) if stage.lock else (),
    )


def _release(release: PromotableRelease) -> str:
    source = f" (#{release.number})" if release.number is not None else ""
    return f"{release.id}{source}"


def _behind(stage: StageView, before: Sequence[StageView]) -> str:
    """Counts the releases that were verified on a stage before it and are newer than its own."""
    counts = [_count(stage.running or stage.release, previous) for previous in before if previous.verified]
    if not counts:
        return ""
    count, is_exact = max(counts)
    if count == 0:
        return "up to date"
    return f"{count if is_exact else f'at least {count}'} release{'' if count == 1 else 's'} behind"


def _count(own: PromotableRelease | None, previous: StageView) -> tuple[int, bool]:
    """How many, and whether that is exact: only the last verified releases are stored."""
    for index, entry in enumerate(previous.verified):
        if own is not None and entry.target.release.id == own.id:
            return index, True
    return len(previous.verified), own is None


def _places(rows: Sequence[StageRow]) -> dict[str, tuple[int, int]]:
    """The left upper corner of each box: a stage is right of all stages before it."""
    columns: dict[str, int] = {}
    for row in rows:
        columns[row.name] = max((columns[name] + 1 for name in row.after if name in columns), default=0)
    filled: dict[int, int] = {}
    places = {}
    for row in rows:
        column = columns[row.name]
        line = filled.get(column, 0)
        filled[column] = line + 1
        places[row.name] = (
            _MARGIN + column * (_WIDTH + _GAP_X),
            _MARGIN + line * (_HEIGHT + _GAP_Y),
        )
    return places


def _edge(start: tuple[int, int], end: tuple[int, int], *, is_active: bool) -> Markup:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0] - 7, end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return Markup(
        '<path class="edge{active}" d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"/>'
        '<path class="head{active}" d="M{x2} {top}l7 5l-7 5z"/>'
    ).format(active=" active" if is_active else "", x1=x1, y1=y1, x2=x2, y2=y2, middle=middle, top=y2 - 5)


def _box(row: StageRow, x: int, y: int) -> Markup:
    state = row.badge.state
    label = ", ".join([row.badge.label, *row.marks])
    second = " · ".join(filter(None, [row.runs, row.behind]))
    third = f"→ {row.coming}" if row.coming else ""
    lines = [
        ("name", row.name, 24),
        (f"label {state}", label, 44),
        ("line", row.runs if len(second) > _CHARACTERS else second, 63),
        ("line", third or (row.behind if len(second) > _CHARACTERS else ""), 80),
        ("line quiet", f"waits: {row.waits}" if row.waits else "", 95),
    ]
    texts = Markup().join(
        Markup('<text class="{kind}" x="{x}" y="{y}">{text}</text>').format(
            kind=kind, x=x + 16, y=y + offset, text=_cut(text, kind)
        )
        for kind, text, offset in lines
        if text
    )
    return Markup(
        '<g><rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>'
        '<rect class="side {state}" x="{x}" y="{y}" width="6" height="{height}" rx="3"/>{texts}</g>'
    ).format(x=x, y=y, width=_WIDTH, height=_HEIGHT, state=state, texts=texts)


def _cut(text: str, kind: str) -> str:
    most = _CHARACTERS if kind.startswith("line") else _BOLD_CHARACTERS
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _description(rows: Sequence[StageRow]) -> str:
    return " ".join(_sentence(row) for row in rows)


def _sentence(row: StageRow) -> str:
    after = f" after {' and '.join(row.after)}" if row.after else ""
    parts = [f"{row.name}{after}: {row.badge.label}"]
    parts += [f"runs {row.runs}", row.behind, f"next {row.coming}" if row.coming else "", *row.marks]
    return f"{', '.join(filter(None, parts))}."
