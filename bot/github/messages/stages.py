"""Answers to `/status` and `/why` about stages. Pure; see tests/snapshots/answer-status-*.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.commands.outcome import StatusAnswer
from bot.github.messages import promotion as promotion_messages
from bot.github.messages.actions import audit_words
from bot.github.messages.drift import summary
from bot.github.messages.markdown import block, bullet_list, code, ended, link, plain, sentence, timestamp
from bot.github.messages.stage_summary import (
    approvers,
    configuration_problem,
    deadline_label,
    demo_policy,
    stage_headline,
    state_label,
    waits_for,
)
from bot.model.parity import PARITY_GATE
from bot.model.promotion import AuditEntry, GateResult, Hold, Lock, Promotion, PromotionState
from bot.model.release import PromotableRelease
from bot.promotions.views import PendingPromotion, PipelineView, StageView

_DETAIL = 4_000
_ENTRIES = 10
_NAME = 60
_REASON = 300
_REASON_IN_TABLE = 160
"""A table of the maximum number of stages fits into a comment, whatever users typed."""

REQUIREMENTS: Mapping[str, str] = {
    "after": "The release is verified on the previous stages.",
    "fork": "The release may run here.",
    "closed": "Its pull request is open or merged.",
    "parity": "It runs here as on the previous stages.",
    "authors": "The authors of its commits are known.",
    "protected": "Its commits were reviewed, as the stage is protected.",
    "reviews": "Its commits have enough approving reviews.",
    "approvers": "Its approvers can be determined.",
    "checks": "The required checks succeeded.",
    "preview.checks": "The checks of its preview succeeded.",
    "environment": "Greenroom can enforce the rules of the GitHub Environment.",
    "branches": "The GitHub Environment allows its branch.",
    "behind": "It has all commits of the release that it replaces.",
    "host": "The host of the stage is free.",
    "cluster": "The stage may run on its cluster.",
    "hold": "The stage is not on hold.",
    "drift": "The stage is as it was deployed.",
    "lock": "The stage is not locked by another user.",
    "freeze": "No freeze is in effect.",
    "wait": "The wait of the GitHub Environment is over.",
    "free": "No other promotion changes the stage.",
    "plan": "Its Terraform plan is made.",
}
"""What a gate requires, by its name, when it is met."""

State = PromotionState

_SYMBOLS: Mapping[PromotionState, str] = {
    State.REQUESTED: "🔎",
    State.GATING: "🚦",
    State.AWAITING_APPROVAL: "✋",
    State.QUEUED: "⏳",
    State.DEPLOYING: "🚀",
    State.ROLLING_OUT: "🐤",
    State.VERIFYING: "🔬",
    State.SOAKING: "🫖",
    State.ROLLING_BACK: "↩️",
}


def pipeline(status: StatusAnswer) -> list[str]:
    """All stages in one table, for `/status`; empty without stages."""
    view = status.pipeline
    paragraphs = [plain(configuration_problem(view))] if view.problem else []
    if not view.stages:
        return paragraphs
    own_releases = ", ".join(dict.fromkeys(code(release.id) for release in view.own_releases))
    own_column = f"This pull request's {own_releases}" if own_releases else "This pull request"
    rows = [
        f"| Stage | Release | {own_column} | Details |",
        "|---|---|---|---|",
        *(_row(stage, view) for stage in view.stages),
    ]
    return [*paragraphs, "\n".join(rows)]


def unknown(status: StatusAnswer, name: str) -> list[str]:
    """The requested stage does not exist."""
    names = ", ".join(code(stage.name) for stage in status.pipeline.stages) or "none"
    paragraphs = [f"There is no stage {code(name)}. Stages: {names}."]
    problem = configuration_problem(status.pipeline)
    return [*paragraphs, plain(problem)] if problem else paragraphs


def status(stage: StageView) -> list[str]:
    """One stage, for `/status staging`."""
    paragraphs = [_headline(stage), *_addresses(stage), plain(stage.problem), bullet_list(_details(stage))]
    if stage.release is not None:
        images = sorted(stage.release.images.items())
        paragraphs.append(
            bullet_list((f"{code(name)} {code(image.digest)}" for name, image in images), "Images:")
        )
    paragraphs.append(_in_progress(stage))
    paragraphs.append(bullet_list(_verified(stage), "Verified releases, newest first:"))
    pending = {view.promotion.id for view in stage.pending_promotions}
    ended = [promotion for promotion in stage.promotions if promotion.id not in pending]
    newest_first = sorted(ended, key=lambda promotion: promotion.since, reverse=True)
    paragraphs.append(bullet_list(map(_ended, newest_first), "Finished promotions, newest first:"))
    return [paragraph for paragraph in paragraphs if paragraph]


def decisions(stage: StageView) -> list[str]:
    """Decisions about one stage, for `/why staging`."""
    paragraphs = [_headline(stage), plain(stage.problem), bullet_list(_details(stage)), _in_progress(stage)]
    if stage.promotions:
        latest = max(stage.promotions, key=lambda promotion: promotion.since)
        paragraphs += _latest(stage.active.promotion if stage.active is not None else latest)
    paragraphs.append(bullet_list(map(_entry, stage.audit[:_ENTRIES]), "Audit log, newest first:"))
    return [paragraph for paragraph in paragraphs if paragraph]


def pending_from(status: StatusAnswer) -> list[str]:
    """The pull request's promotions in progress, for `/why`."""
    views = status.pipeline.promotions_of(status.number)
    lines = [_pending(view, at_length=True) for view in views]
    return [bullet_list(lines, "Promotions of this pull request in progress:")] if lines else []


def _row(stage: StageView, pipeline: PipelineView) -> str:
    release = _release(stage.running) if stage.running is not None else "none"
    if stage.release is not None and stage.release != stage.running:
        release += f"<br>desired: {_release(stage.release)}"
    elif stage.since is not None and stage.release is not None:
        release += f"<br>since {timestamp(stage.since)}"
    details = [*_details(stage, _REASON_IN_TABLE), *map(_pending, stage.pending_promotions)]
    cells = [code(stage.name), release, _own_state(stage, pipeline), "<br>".join(details)]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _own_state(stage: StageView, pipeline: PipelineView) -> str:
    """The state of the pull request's own releases on the stage."""
    ids = {release.id for release in pipeline.own_releases}
    if stage.has_verified(ids):
        followed = stage.release is not None and stage.release.id not in ids
        return "was verified; another release followed" if followed else "✅ verified"
    if any(
        view.promotion.release is not None and view.promotion.release.id in ids
        for view in stage.pending_promotions
    ):
        return "in progress"
    return "deployed, not verified" if stage.running is not None and stage.running.id in ids else ""


def _headline(stage: StageView) -> str:
    headline = f"**{plain(stage_headline(stage).removesuffix('.'))}**"
    if stage.release is None:
        return f"{headline}."
    settled = stage.since is not None and stage.running == stage.release
    since = f", since {timestamp(stage.since)}" if stage.since is not None and settled else ""
    return f"{headline}{since}: {link(stage.url)}" if stage.url else f"{headline}{since}."


def _addresses(stage: StageView) -> list[str]:
    """The further URLs, if the release has several routes."""
    further = [f"{code(name)} {link(url)}" for name, url in stage.addresses.items()]
    return [bullet_list(further)] if further and stage.url and stage.release is not None else []


def _details(stage: StageView, longest: int = _REASON) -> list[str]:
    """Demo policy, removal from the configuration, lock and hold."""
    lines = [f"🎪 {plain(policy, longest)}"] if (policy := demo_policy(stage)) else []
    if not stage.configured:
        lines.append(f"🗑️ No longer in {code('.greenroom.yml')}.")
    if stage.lock is not None:
        lines.append(_lock(stage.lock, longest))
    if stage.hold is not None:
        lines.append(_hold(stage.hold, stage.name, longest))
    if stage.drift is not None and stage.drift.confirmed:
        lines.append(f"⚠️ Drift: {plain(summary(stage.drift))} ({code(f'/drift {stage.name}')} shows it)")
    return lines


def _lock(lock: Lock, longest: int) -> str:
    reason = f": {plain(lock.reason, longest)}" if lock.reason else ""
    return f"🔒 Locked by {plain(lock.by, _NAME)} until {timestamp(lock.until)}{reason}"


def _hold(hold: Hold, name: str, longest: int) -> str:
    reason = plain(hold.reason, longest)
    return f"✋ On hold since {timestamp(hold.since)}: {reason} ({code(f'/unhold {name}')} lifts the hold)"


def _in_progress(stage: StageView) -> str:
    lines = [_pending(view, at_length=True) for view in stage.pending_promotions]
    return bullet_list(lines, "In progress:")


def _pending(view: PendingPromotion, at_length: bool = False) -> str:
    promotion = view.promotion
    subject = code(promotion.release.id) if promotion.release is not None else promotion.kind.value
    requester = plain(promotion.requested_by, _NAME) or "the pipeline"
    id = f", promotion {code(promotion.id)} to {promotion.stage.name}" if at_length else ""
    longest = _REASON if at_length else _REASON_IN_TABLE
    reasons = plain(sentence("; ".join(waits_for(view))), longest)
    state = f"{_SYMBOLS[promotion.state]} **{state_label(promotion.state)}**"
    text = f"{state}: {subject}, requested by {requester}{id}. {reasons}"
    text += f" {deadline_label(view)} at {timestamp(view.until)}."
    if at_length and (users := approvers(view)):
        text += f" {code(f'/approve {promotion.stage.name}')}: {plain(ended(users), longest)}"
    return text


def _latest(promotion: Promotion) -> list[str]:
    paragraphs = [f"Latest promotion ({code(promotion.id)}): {promotion_messages.headline(promotion)}"]
    if promotion.note:
        paragraphs.append(promotion_messages.release_note(promotion))
    if promotion.detail:
        paragraphs.append(block(promotion.detail, _DETAIL))
    paragraphs += _requirements(promotion.gates)
    paragraphs += promotion_messages.parity(promotion)
    paragraphs += promotion_messages.planned(promotion)
    return [*paragraphs, promotion_messages.timeline(promotion.timeline)]


def _requirements(gates: Sequence[GateResult]) -> list[str]:
    """What blocks the promotion and what is worth a warning; the rest is folded. `parity` shows its own."""
    blocking = [f"🚧 {plain(sentence(gate.reason))}" for gate in gates if not gate.passed]
    passed = [gate for gate in gates if gate.passed]
    warnings = [
        f"⚠️ {plain(sentence(gate.reason))}" for gate in passed if gate.reason and gate.name != PARITY_GATE
    ]
    met = [
        f"✅ {REQUIREMENTS[gate.name]}" for gate in passed if not gate.reason and gate.name in REQUIREMENTS
    ]
    paragraphs = [bullet_list(blocking, "It waits for:"), bullet_list(warnings)]
    if met:
        summary = f"{len(met)} requirement{'s' * (len(met) > 1)} met"
        paragraphs.append(f"<details><summary>{summary}</summary>\n\n{bullet_list(met)}\n\n</details>")
    return [paragraph for paragraph in paragraphs if paragraph]


def _verified(stage: StageView) -> list[str]:
    """Verified releases, with the current one and the target of `/rollback` marked."""
    is_current = [verified.at == stage.verified_at for verified in stage.verified]
    label = "running" if stage.running == stage.release else "desired"
    marks = {is_current.index(True): f" ({label})"} if True in is_current else {}
    if stage.rollback_target is not None and stage.pin is None:
        marks[stage.verified.index(stage.rollback_target)] = f" (target of {code(f'/rollback {stage.name}')})"
    return [
        f"{_release(verified.target.release)} on {timestamp(verified.at)}{marks.get(index, '')}"
        for index, verified in enumerate(stage.verified)
    ]


def _ended(promotion: Promotion) -> str:
    release = f" of {_release(promotion.release)}" if promotion.release is not None else ""
    reason = f": {plain(promotion.reason, _REASON)}" if promotion.reason else ""
    requester = plain(promotion.requested_by, _NAME) or "the pipeline"
    subject = f"{promotion.kind}{release}, requested by {requester}"
    return f"{timestamp(promotion.since)}: {subject}: **{promotion.state}**{reason}"


def _entry(entry: AuditEntry) -> str:
    words = audit_words(entry)
    parts = [
        f"**{plain(words.action)}**",
        plain(words.reason, _REASON),
        " → ".join(map(code, words.change)),
        f"(by {plain(entry.actor, _NAME)})" if entry.actor else "",
    ]
    return f"{timestamp(entry.at)}: {' '.join(part for part in parts if part)}"


def _release(release: PromotableRelease) -> str:
    return f"{code(release.id)} of {code(release.commit[:7])}"


def _cell(text: str) -> str:
    """The text with every `|` escaped."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)
