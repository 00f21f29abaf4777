"""What people read of a promotion on GitHub: pure functions of what is known. See tests/snapshots/."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.github.messages.markdown import block, code, diff_block, one_line, plain
from bot.model.environment import CheckResult, CheckState
from bot.model.parity import PARITY_GATE, Comparison, diff, mismatch_reason
from bot.model.promotion import ACTIVE, PENDING, Promotion, PromotionKind, PromotionState, TimelineEntry
from bot.model.release import PromotableRelease
from bot.model.times import format_time

_DETAIL = 4_000
_DIFF = 6_000
"""Bytes of all differences from other stages together."""
_UNFOLDED = 20
"""Lines of a difference that are shown without being asked for."""
_LONGEST_DESCRIPTION = 140
_LINE = 300
_SHOWN = 20
"""Lines of the story that are shown; the audit has all of them."""

State = PromotionState

_UNTOUCHED = frozenset({State.REJECTED, State.EXPIRED, State.SUPERSEDED})
"""What the release was is of no interest any more."""


def story(promotion: Promotion) -> str:
    """The whole story of a promotion, as one comment that is kept current."""
    said = [headline(promotion)]
    runs = _what_runs(promotion)
    if runs is not None:
        said.append(_images(runs))
    if promotion.note and runs is not None:
        said.append(f"It is this release because {plain(promotion.note)}.")
    if promotion.detail:
        said.append(block(promotion.detail, _DETAIL))
    if promotion.waiting_for:
        said.append(f"⏳ {plain(_sentence(promotion.waiting_for))}")
    said += _gates(promotion)
    said += parity(promotion)
    if promotion.checks:
        told = " · ".join(f"{_sign(each)} {code(each.name)}" for each in promotion.checks)
        said.append(f"Checks{_whose(promotion, runs)}: {told}")
    said += _next(promotion)
    return "\n\n".join([*filter(None, said), chapters(promotion.timeline)])


def deployment(promotion: Promotion) -> str:
    """What the status of its Deployment says, in at most 140 characters."""
    told = promotion.state.value[:1].upper() + promotion.state.value[1:]
    if promotion.removed_by:
        told = f"{promotion.removed_by} had it taken away"
    elif promotion.reason and promotion.state not in ACTIVE | {State.SUCCEEDED}:
        told = f"{told}: {promotion.reason}"
    return one_line(told, _LONGEST_DESCRIPTION)


def headline(promotion: Promotion) -> str:
    """How it stands, in a sentence."""
    if promotion.removed_by:
        who, stage = plain(promotion.removed_by), promotion.stage.name
        return f"🧹 {who} had **{stage}** taken away with its data; {_named(promotion.release)} was there."
    headlines = _EPHEMERAL if promotion.ephemeral else _HEADLINES
    if promotion.kind is PromotionKind.ROLLBACK:
        headlines = _ROLLBACKS
    said = headlines[promotion.state].format(
        who=plain(promotion.requested_by) or "The pipeline",
        stage=f"**{promotion.stage.name}**",
        release=_named(promotion.release),
        before=_named(promotion.rollback_target.release if promotion.rollback_target is not None else None),
        why=plain(promotion.reason),
    )
    if promotion.address and promotion.state in (State.SUCCEEDED, State.SOAKING, State.ROLLED_BACK):
        said += f" {_link(promotion.address)}"
    return f"{said} ⏸️ Paused by {plain(promotion.paused_by)}." if promotion.paused_by else said


_HEADLINES: Mapping[PromotionState, str] = {
    State.REQUESTED: "🔎 {who} asked for a promotion to {stage}.",
    State.GATING: "🚦 Release {release} waits at the gates of {stage}.",
    State.AWAITING_APPROVAL: "✋ Release {release} waits for approval before it goes to {stage}.",
    State.QUEUED: "⏳ Release {release} waits until it may go to {stage}.",
    State.DEPLOYING: "🚀 Release {release} goes to {stage}.",
    State.VERIFYING: "🔬 Release {release} runs on {stage} and is being verified.",
    State.SOAKING: "🫖 Release {release} is verified on {stage} and soaks.",
    State.SUCCEEDED: "✅ Release {release} was verified on {stage}.",
    State.REJECTED: "⛔ Nothing was promoted to {stage}: {why}.",
    State.EXPIRED: "⌛ Nothing was promoted to {stage}: {why}.",
    State.SUPERSEDED: "⏭️ Nothing more is promoted to {stage}: {why}.",
    State.ABORTED: "🛑 The promotion to {stage} ended: {why}.",
    State.FAILED: "❌ Release {release} failed on {stage}, which has nothing to go back to: {why}.",
    State.ROLLING_BACK: "↩️ {stage} goes back from release {release} to {before}: {why}.",
    State.ROLLED_BACK: "↩️ {stage} went back from release {release} to {before}: {why}.",
    State.ROLLBACK_FAILED: "🆘 {stage} could not go back: {why}. Somebody has to look at it.",
}
_EPHEMERAL: Mapping[PromotionState, str] = {
    **_HEADLINES,
    State.SUCCEEDED: "✅ Release {release} was verified on {stage}, which is taken away again.",
    State.FAILED: "❌ Release {release} failed on {stage}, which is taken away: {why}.",
}
_ROLLBACKS: Mapping[PromotionState, str] = {
    **_HEADLINES,
    State.ROLLING_BACK: "↩️ {who} takes {stage} back to release {release}.",
    State.ROLLED_BACK: "↩️ {who} took {stage} back to release {release}.",
}


def _sign(result: CheckResult) -> str:
    return {CheckState.PASSED: "✅", CheckState.FAILED: "❌"}.get(result.state, "🔄")


def _named(release: PromotableRelease | None) -> str:
    return f"{code(release.id)} ({code(release.commit[:7])})" if release is not None else ""


def _whose(promotion: Promotion, runs: PromotableRelease | None) -> str:
    """Whose checks they were, where that is another release than the one that is shown."""
    checked = promotion.release
    return f" of {code(checked.commit[:7])}" if checked is not None and checked != runs else ""


def _what_runs(promotion: Promotion) -> PromotableRelease | None:
    """What the stage gets, or has again; None when that is of no interest."""
    going_back = promotion.state in (State.ROLLING_BACK, State.ROLLED_BACK)
    if going_back and promotion.rollback_target is not None:
        return promotion.rollback_target.release
    untouched = promotion.state in _UNTOUCHED or (
        promotion.state is State.ABORTED and not promotion.placed_hold
    )
    return None if untouched else promotion.release


def _images(release: PromotableRelease) -> str:
    """Whole digests: they are what a reader compares."""
    images = "\n".join(
        f"- {code(name)} {code(image.digest)}" for name, image in sorted(release.images.items())
    )
    return f"Built once by CI, from {code(release.commit[:7])}:\n\n{images}"


def _gates(promotion: Promotion) -> list[str]:
    shut = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state not in PENDING or not shut:
        return []
    return ["\n".join(f"- 🚧 {plain(_sentence(gate.reason))}" for gate in shut)]


def parity(promotion: Promotion) -> list[str]:
    """In what the stage differs from those before, where that stopped the promotion or is worth a warning."""
    blocked = any(gate.name == PARITY_GATE and not gate.passed for gate in promotion.gates)
    told = [each for each in promotion.parity if not each.equal]
    if not told or (promotion.state in _UNTOUCHED and not blocked):
        return []
    said = []
    for each in told:
        if not blocked:
            said.append(f"⚠️ {plain(_sentence(mismatch_reason(each)))}")
        if each.differences:
            said.append(_differences(each, _DIFF // len(told)))
    advice = "Stages may differ in configuration values, secrets, size and host, and in nothing else."
    mend = " Mend `.greenroom.yml` on the default branch, and promote again." if blocked else ""
    return [*said, f"{advice}{mend}"]


def _differences(comparison: Comparison, longest: int) -> str:
    lines = list(diff(comparison))
    shown = diff_block(lines, longest)
    if len(lines) <= _UNFOLDED:
        return shown
    summary = f"In what {comparison.right} differs from {comparison.left}"
    return f"<details><summary>{summary}</summary>\n\n{shown}\n\n</details>"


def _next(promotion: Promotion) -> list[str]:
    """What can be typed now."""
    name, state = promotion.stage.name, promotion.state
    if promotion.removed_by:
        return []
    if promotion.paused_by:
        return [f"{code(f'/resume {name}')} lets it go on."]
    if state is State.AWAITING_APPROVAL:
        digest = promotion.configuration_digest
        valid = [each for each in promotion.approvals if each.configuration_digest == digest]
        given = ", ".join(plain(each.by) for each in valid)
        told = f" Approved by {given} so far." if given else ""
        approve = f"{code(f'/approve {name}')}{_but_not(promotion)}"
        said = f"{approve} or {code(f'/reject {name} why')}.{told}"
        return ["\n".join(f"- ✋ {plain(_sentence(each))}" for each in promotion.missing), said]
    if promotion.placed_hold and promotion.pinned:
        file = code(".greenroom.yml")
        return [
            f"{code(f'/unhold {name}')} tries it once more; another release in {file} moves {name} there."
        ]
    if promotion.pinned and state is State.SUCCEEDED:
        return [f"{name} is moved by changing {code('.greenroom.yml')} on the default branch."]
    if state is State.ROLLBACK_FAILED:
        return [
            f"{code(f'/rollback {name}')} goes further back where there is something, and "
            f"{code(f'/promote {name} RELEASE')} brings a release of your choice. "
            f"Nothing automatic moves {name} until {code(f'/unhold {name}')}."
        ]
    if promotion.placed_hold:
        return [f"Nothing automatic moves {name} until {code(f'/unhold {name}')}."]
    if state is State.SUCCEEDED and not promotion.ephemeral:
        rollback = code(f"/rollback {name}")
        return [f"While it runs there, {rollback} takes it back, code and configuration together."]
    if state in PENDING or (state in ACTIVE and state is not State.ROLLING_BACK):
        return [f"{code(f'/abort {name}')} ends it."]
    return []


def _but_not(promotion: Promotion) -> str:
    """Whose yes does not count."""
    names = dict.fromkeys(each for each in (promotion.requested_by, *promotion.authors) if each)
    return f" (somebody other than {' or '.join(plain(each) for each in names)})" if names else ""


def chapters(story: tuple[TimelineEntry, ...]) -> str:
    """Its last lines, folded."""
    left_out = len(story) - _SHOWN
    lines = [f"- … {left_out} earlier"] * (left_out > 0)
    for chapter in story[-_SHOWN:]:
        by = f", {plain(chapter.by)}" if chapter.by else ""
        lines.append(f"- {format_time(chapter.at, seconds=True)}{by}: {plain(chapter.event, _LINE)}")
    told = "\n".join(lines)
    return f"<details><summary>What happened</summary>\n\n{told}\n\n</details>"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _link(url: str) -> str:
    return f"[{urlsplit(url).netloc.replace('[', '').replace(']', '')}]({url})"
