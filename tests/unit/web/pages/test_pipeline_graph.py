"""The drawing of a pipeline: where boxes stand, what they show, and that texts are escaped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.promotion import Hold, Lock, PromotionState, StageRecord, VerifiedTarget
from bot.model.release import Target
from bot.promotions.view_builder import pending_promotion, stage_view
from bot.promotions.views import PipelineView, StageView
from bot.web.pages.badge import Badge
from bot.web.pages.pipeline_graph import pipeline_svg, stage_rows
from tests.unit.promotions.stage_fixtures import NOW, SHOP, promotion, release
from tests.unit.web.pages.test_environments import HOSTILE

_SVG = "{http://www.w3.org/2000/svg}"


def stage(name: str, *verified: str, after: tuple[str, ...] = (), runs: str | None = None) -> StageView:
    """Releases by the letter of their commit, the newest first; runs the first one by default."""
    record = StageRecord(EnvironmentKey.stage(SHOP.id, name), SHOP)
    targets = [VerifiedTarget(Target(release(commit), "", 1), "p", NOW) for commit in verified]
    running = release(runs or verified[0]) if runs or verified else None
    view = stage_view(record, None, (), NOW)
    return replace(
        view,
        after=after,
        release=running,
        running=running,
        state=EnvironmentState.READY,
        verified=tuple(targets),
        verified_at=NOW,
    )


def pipeline() -> list[StageView]:
    return [
        stage("integration", "c", "b", "a"),
        stage("security", "c"),
        stage("staging", "b", "a", after=("integration", "security")),
        stage("production", "a", after=("staging",)),
    ]


def test_rows_count_the_releases_that_a_stage_is_behind() -> None:
    rows = {row.name: row for row in stage_rows(PipelineView(tuple(pipeline())))}
    assert rows["integration"].behind == ""
    assert rows["staging"].behind == "1 release behind"
    assert rows["production"].behind == "1 release behind"
    same = [pipeline()[0], stage("staging", "c", after=("integration",))]
    assert stage_rows(PipelineView(tuple(same)))[1].behind == "up to date"
    empty = [pipeline()[0], stage("staging", after=("integration",))]
    assert stage_rows(PipelineView(tuple(empty)))[1].behind == "3 releases behind"


def test_rows_show_what_is_on_its_way_and_for_whom_it_waits() -> None:
    waiting = replace(
        promotion("production", "cem", "p1", NOW),
        state=PromotionState.AWAITING_APPROVAL,
        release=release("b"),
        waiting_for="a free slot",
    )
    stages = pipeline()
    stages[3] = replace(
        stages[3],
        waiting=(pending_promotion(waiting, NOW),),
        hold=Hold("bea", NOW, "incident"),
        lock=Lock("dora", NOW, NOW + timedelta(hours=1)),
    )
    row = stage_rows(PipelineView(tuple(stages)))[3]
    assert row.coming == f"{release('b').id}: awaiting approval"
    assert "a free slot" in row.waits
    assert row.badge == Badge(EnvironmentState.FAILED, "on hold")
    assert row.marks == ("locked by dora",)
    assert "production after staging: on hold, runs" in pipeline_svg([row])


def test_each_stage_is_right_of_the_stages_before_it() -> None:
    drawing = ElementTree.fromstring(_xml(pipeline()))
    boxes = [box for box in drawing.iter(f"{_SVG}rect") if box.get("class") == "box"]
    places = {
        row.name: (float(box.get("x", "")), float(box.get("y", "")))
        for row, box in zip(stage_rows(PipelineView(tuple(pipeline()))), boxes, strict=True)
    }
    assert places["integration"][0] == places["security"][0]
    assert places["integration"][1] != places["security"][1]
    assert places["security"][0] < places["staging"][0] < places["production"][0]
    edges = [path for path in drawing.iter(f"{_SVG}path") if "edge" in path.get("class", "")]
    assert len(edges) == 3


def test_drawing_has_title_and_description() -> None:
    drawing = ElementTree.fromstring(_xml(pipeline()))
    assert drawing.findtext(f"{_SVG}title") == "Pipeline"
    description = drawing.findtext(f"{_SVG}desc") or ""
    assert "staging after integration and security: verified, runs" in description
    assert len(drawing.get("aria-labelledby", "").split()) == 2


def test_texts_are_escaped_and_cut() -> None:
    flooded = replace(stage("staging", "a"), lock=Lock(HOSTILE * 20, NOW, NOW + timedelta(hours=1)))
    drawing = ElementTree.fromstring(_xml([flooded]))
    tags = {element.tag.removeprefix(_SVG) for element in drawing.iter()}
    assert tags == {"svg", "title", "desc", "g", "rect", "text"}
    assert all(len(text.text or "") <= 35 for text in drawing.iter(f"{_SVG}text"))


def test_without_stages_there_is_no_drawing() -> None:
    assert pipeline_svg([]) == ""


def _xml(stages: list[StageView]) -> str:
    svg = pipeline_svg(stage_rows(PipelineView(tuple(stages))))
    return str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
