"""What `/status` and `/why` tell of stages: pure functions of what is known. See tests/snapshots/."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.commands.outcome import StatusAnswer
from bot.github.messages import promotion as texts_promotion
from bot.github.messages.environment import link, time
from bot.github.messages.markdown import block, code, plain
from bot.model.environment import EnvironmentState
from bot.model.promotion import AuditEntry, GateResult, Hold, Lock, Promotion, PromotionState
from bot.model.release import PromotableRelease
from bot.promotions.views import PendingPromotion, PipelineView, StageView

_DETAIL = 4_000
_ENTRIES = 10
_NAME = 60
_WHY = 300
_WHY_IN_A_TABLE = 160
"""With as many stages as there may be, it still fits into a comment, whatever people typed."""

State = PromotionState

_SIGNS: Mapping[PromotionState, str] = {
    State.REQUESTED: "🔎",
    State.GATING: "🚦",
    State.AWAITING_APPROVAL: "✋",
    State.QUEUED: "⏳",
    State.DEPLOYING: "🚀",
    State.VERIFYING: "🔬",
    State.SOAKING: "🫖",
    State.ROLLING_BACK: "↩️",
}


def pipeline(account: StatusAnswer) -> list[str]:
    """All stages in one table, for `/status`; nothing where there are none."""
    found = account.pipeline
    said = [plain(found.problem)] if found.problem else []
    if not found.stages:
        return said
    ours = _named(found.own_releases)
    rows = [
        f"| Stage | What runs there | {f'{ours} of this' if ours else 'This'} pull request | Besides |",
        "|---|---|---|---|",
        *(_row(stage, found) for stage in found.stages),
    ]
    return [*said, "\n".join(rows)]


def unknown(account: StatusAnswer, name: str) -> list[str]:
    """A stage was asked about that there is not."""
    known = ", ".join(code(stage.name) for stage in account.pipeline.stages) or "none"
    said = [f"There is no stage {code(name)} (stages: {known})."]
    return [*said, plain(account.pipeline.problem)] if account.pipeline.problem else said


def status(stage: StageView) -> list[str]:
    """One stage, for `/status staging`."""
    said = [_headline(stage), plain(stage.problem), _list(_besides(stage))]
    if stage.release is not None:
        images = sorted(stage.release.images.items())
        lines = [f"{code(name)} {code(image.digest)}" for name, image in images]
        said.append(_list(lines, "What it is made of:"))
    said += _under_way(stage)
    if stage.verified:
        said.append(_list(_verified(stage), "What was verified there, the newest first:"))
    ended = [each for each in stage.promotions if each.id not in _ids(stage)]
    if ended:
        newest = sorted(ended, key=lambda each: each.since, reverse=True)
        said.append(_list([_ended(each) for each in newest], "What ended there, the newest first:"))
    return [part for part in said if part]


def why(stage: StageView) -> list[str]:
    """Why one stage is where it is, for `/why staging`."""
    said = [_headline(stage), plain(stage.problem), _list(_besides(stage)), *_under_way(stage)]
    if stage.promotions:
        last = max(stage.promotions, key=lambda each: each.since)
        said += _last(stage.active.promotion if stage.active is not None else last)
    entries = [_entry(entry) for entry in stage.audit[:_ENTRIES]]
    if entries:
        said.append(_list(entries, "What was done and decided, the newest first:"))
    return [part for part in said if part]


def open_here(account: StatusAnswer) -> list[str]:
    """The promotions of the pull request that have not ended, for `/why`."""
    found = [_journey(each, at_length=True) for each in account.pipeline.promotions_of(account.number)]
    return [_list(found, "What is under way from here:")] if found else []


def _row(stage: StageView, found: PipelineView) -> str:
    runs = _release(stage.release) if stage.release is not None else "nothing"
    if stage.release is not None and stage.since is not None:
        runs += f"<br>since {time(stage.since)}"
    besides = [*_besides(stage, _WHY_IN_A_TABLE), *(_journey(each) for each in stage.pending_promotions)]
    cells = [code(stage.name), runs, _ours(stage, found), "<br>".join(besides)]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _ours(stage: StageView, found: PipelineView) -> str:
    ids = {release.id for release in found.own_releases}
    if stage.has_verified(ids):
        return "✅ verified"
    if any(
        each.promotion.release is not None and each.promotion.release.id in ids
        for each in stage.pending_promotions
    ):
        return "on its way"
    return "runs, not verified" if stage.release is not None and stage.release.id in ids else ""


def _headline(stage: StageView) -> str:
    said = f"**{plain(stage.headline.removesuffix('.'))}**"
    if stage.release is None:
        return f"{said}."
    since = f", since {time(stage.since)}" if stage.since is not None else ""
    where = f" It is at {link(stage.url)}." if stage.url else ""
    return f"{said}{since}.{where}"


def _besides(stage: StageView, longest: int = _WHY) -> list[str]:
    said = [f"🎪 {plain(stage.demo_policy, longest)}"] if stage.demo_policy else []
    if not stage.configured:
        said.append("🗑️ The pipeline has it no more.")
    if stage.lock is not None:
        said.append(_lock(stage.lock, longest))
    if stage.hold is not None:
        said.append(_hold(stage.hold, stage.name, longest))
    return said


def _lock(lock: Lock, longest: int) -> str:
    why = f": {plain(lock.reason, longest)}" if lock.reason else ""
    return f"🔒 {plain(lock.by, _NAME)} keeps it until {time(lock.until)}{why}"


def _hold(hold: Hold, name: str, longest: int) -> str:
    return f"✋ On hold since {time(hold.since)}: {plain(hold.reason, longest)} ({code(f'/unhold {name}')})"


def _under_way(stage: StageView) -> list[str]:
    lines = [_journey(each, at_length=True) for each in stage.pending_promotions]
    return [_list(lines, "What is under way:")] if lines else []


def _journey(journey: PendingPromotion, at_length: bool = False) -> str:
    one = journey.promotion
    what = code(one.release.id) if one.release is not None else one.kind.value
    by = plain(one.requested_by, _NAME) or "the pipeline"
    which = f", promotion {code(one.id)} to {one.stage.name}" if at_length else ""
    longest = _WHY if at_length else _WHY_IN_A_TABLE
    waits = plain(_capital("; ".join(journey.waits_for)), longest)
    told = f"{_SIGNS[one.state]} **{one.state}**: {what}, asked for by {by}{which}. {waits}."
    told += f" {journey.deadline_label} at {time(journey.until)}."
    if at_length and journey.approvers:
        told += f" {code(f'/approve {one.stage.name}')} is for {plain(journey.approvers)}."
    return told


def _last(promotion: Promotion) -> list[str]:
    said = [f"The last promotion ({code(promotion.id)}): {texts_promotion.headline(promotion)}"]
    if promotion.note:
        said.append(f"It is this release because {plain(promotion.note)}.")
    if promotion.detail:
        said.append(block(promotion.detail, _DETAIL))
    gates = [f"{_sign(gate)} {code(gate.name)} {plain(gate.reason)}" for gate in promotion.gates]
    if gates:
        said.append(_list([gate.rstrip() for gate in gates], "Its gates:"))
    said += texts_promotion.parity(promotion)
    return [*said, texts_promotion.chapters(promotion.timeline)]


def _sign(gate: GateResult) -> str:
    if not gate.passed:
        return "🚧"
    return "⚠️" if gate.reason else "✅"


def _verified(stage: StageView) -> list[str]:
    """With the one that `/rollback` goes to."""
    now = [each.at == stage.verified_at for each in stage.verified]
    back = now.index(False) if False in now else None
    runs = "is to run now" if stage.state is EnvironmentState.FAILED else "runs now"
    marks = {now.index(True): f" ({runs})"} if True in now else {}
    if back is not None and stage.pin is None:
        marks[back] = f" ({code(f'/rollback {stage.name}')} goes there)"
    return [
        f"{_release(each.target.release)} on {time(each.at)}{marks.get(index, '')}"
        for index, each in enumerate(stage.verified)
    ]


def _ended(promotion: Promotion) -> str:
    release = f" of {_release(promotion.release)}" if promotion.release is not None else ""
    why = f": {plain(promotion.reason, _WHY)}" if promotion.reason else ""
    by = plain(promotion.requested_by, _NAME) or "the pipeline"
    return (
        f"{time(promotion.since)}: {promotion.kind}{release}, asked for by {by}: **{promotion.state}**{why}"
    )


def _entry(entry: AuditEntry) -> str:
    told = () if entry.after == entry.action else (entry.before, entry.after)
    change = " → ".join(code(each) for each in told if each)
    parts = [
        f"**{plain(entry.action)}**",
        plain(entry.reason, _WHY),
        change,
        f"(by {plain(entry.actor, _NAME)})" if entry.actor else "",
    ]
    return f"{time(entry.at)}: {' '.join(part for part in parts if part)}"


def _release(release: PromotableRelease) -> str:
    return f"{code(release.id)} of {code(release.commit[:7])}"


def _named(releases: Sequence[PromotableRelease]) -> str:
    return ", ".join(dict.fromkeys(code(each.id) for each in releases))


def _ids(stage: StageView) -> set[str]:
    return {each.promotion.id for each in stage.pending_promotions}


def _list(lines: Sequence[str], title: str = "") -> str:
    if not lines:
        return ""
    return "\n".join([*([title, ""] if title else []), *(f"- {line}" for line in lines)])


def _cell(text: str) -> str:
    """Nothing in it ends the cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"
