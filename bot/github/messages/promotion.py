"""Texts about a promotion: its comment and its Deployment. Pure; see tests/snapshots/promotion-*.md."""

from __future__ import annotations

from collections.abc import Mapping

from bot.github.messages.cluster_reasons import left_behind
from bot.github.messages.environment import check_symbol
from bot.github.messages.infrastructure import module_name, plan
from bot.github.messages.markdown import (
    block,
    bullet_list,
    capitalized,
    code,
    diff_block,
    ended,
    link,
    one_line,
    plain,
    sentence,
)
from bot.github.messages.parity import diff, mismatch_reason
from bot.github.messages.rollout import rollout_table
from bot.github.messages.secret_reasons import current_secrets
from bot.github.messages.stage_summary import state_label
from bot.model.parity import PARITY_GATE, Comparison
from bot.model.promotion import (
    ACTIVE,
    PENDING,
    Promotion,
    PromotionKind,
    PromotionState,
    Successor,
    TimelineEntry,
)
from bot.model.release import PromotableRelease
from bot.model.times import format_time
from bot.promotions.approvals import plan_digest

_DETAIL = 4_000
_DIFF = 6_000
"""Bytes of all parity differences together."""
_UNFOLDED = 20
"""Lines of a difference that are shown without a click."""
_LONGEST_DESCRIPTION = 140
_EVENT = 300
_EVENTS = 20
"""Timeline events shown; the audit log has all of them."""

State = PromotionState

_NOT_DEPLOYED = frozenset({State.REJECTED, State.EXPIRED, State.SUPERSEDED})
"""States that end before the release reaches the stage, so its images are not shown."""

_REPEATABLE = frozenset({State.REJECTED, State.EXPIRED, State.FAILED})
"""States after which a user can promote the same release again."""


def comment(promotion: Promotion) -> str:
    """The comment about a promotion; it is updated until the promotion ends."""
    paragraphs = [headline(promotion)]
    release = _shown_release(promotion)
    if release is not None:
        paragraphs.append(_images(release))
    if promotion.note and release is not None and release == promotion.release:
        paragraphs.append(release_note(promotion))
    if promotion.replaces_objects and promotion.state in PENDING | ACTIVE:
        paragraphs.append(
            "⚠️ It deletes and recreates objects whose immutable fields changed; their pods restart."
        )
    if promotion.moved_from:
        left = left_behind(promotion.repository.full_name, promotion.stage.name, promotion.moved_from)
        paragraphs.append(f"⚠️ {left}")
    if promotion.current_secrets:
        paragraphs.append(f"🔑 {current_secrets(promotion.current_secrets)}")
    if promotion.rollout is not None:
        paragraphs += rollout_table(promotion.rollout)
    if promotion.detail:
        paragraphs.append(block(promotion.detail, _DETAIL))
    if promotion.waiting_for:
        paragraphs.append(f"⏳ {plain(sentence(promotion.waiting_for))}")
    paragraphs += _closed_gates(promotion)
    paragraphs += _warnings(promotion)
    paragraphs += parity(promotion)
    paragraphs += planned(promotion)
    if promotion.checks:
        checks = " · ".join(f"{check_symbol(check)} {code(check.name)}" for check in promotion.checks)
        paragraphs.append(f"Checks{_checked_commit(promotion, release)}: {checks}")
    paragraphs += _next_steps(promotion)
    return "\n\n".join([*paragraphs, timeline(promotion.timeline)])


def deployment(promotion: Promotion) -> str:
    """Description of the Deployment's status, in at most 140 characters."""
    description = capitalized(state_label(promotion.state))
    if promotion.removed_by:
        description = f"Deleted by {promotion.removed_by}"
    elif promotion.successor is not None:
        description = f"Was verified; {_succession(promotion.successor).replace('`', '')}"
    elif promotion.reason and promotion.state not in ACTIVE | {State.SUCCEEDED}:
        description = f"{description}: {promotion.reason}"
    return one_line(description, _LONGEST_DESCRIPTION)


def headline(promotion: Promotion) -> str:
    """The promotion's state in one sentence."""
    if promotion.removed_by:
        user, stage = plain(promotion.removed_by), promotion.stage.name
        return f"🧹 {user} deleted **{stage}** and its data. It ran {_release(promotion.release)}."
    if promotion.successor is not None:
        symbol = "↩️" if promotion.successor.rolled_back_by else "⏭️"
        verified = f"Release {_release(promotion.release)} was verified on **{promotion.stage.name}**"
        return f"{symbol} {verified}; {plain(ended(_succession(promotion.successor)))}"
    headlines = _EPHEMERAL if promotion.ephemeral else _HEADLINES
    if promotion.kind is PromotionKind.ROLLBACK:
        headlines = _ROLLBACKS
    text = headlines[promotion.state].format(
        requester=plain(promotion.requested_by) or "The pipeline",
        stage=f"**{promotion.stage.name}**",
        release=_release(promotion.release),
        before=_release(promotion.rollback_target.release if promotion.rollback_target is not None else None),
        reason=plain(ended(promotion.reason)),
    )
    if promotion.address and promotion.state in (State.SUCCEEDED, State.SOAKING, State.ROLLED_BACK):
        text += f" {link(promotion.address)}"
    return f"{text} ⏸️ Paused by {plain(promotion.paused_by)}." if promotion.paused_by else text


_HEADLINES: Mapping[PromotionState, str] = {
    State.REQUESTED: "🔎 {requester} requested a promotion to {stage}.",
    State.GATING: "🚦 Release {release} is waiting until the requirements of {stage} are met.",
    State.AWAITING_APPROVAL: "✋ Release {release} is waiting for approval for {stage}.",
    State.QUEUED: "⏳ Release {release} is queued for {stage}.",
    State.ROLLING_OUT: "🐤 Moving traffic on {stage} to release {release}.",
    State.DEPLOYING: "🚀 Deploying release {release} to {stage}.",
    State.VERIFYING: "🔬 Verifying release {release} on {stage}.",
    State.SOAKING: "🫖 Release {release} passed its checks on {stage} and is soaking.",
    State.SUCCEEDED: "✅ Release {release} is verified on {stage}.",
    State.REJECTED: "⛔ The promotion to {stage} was rejected: {reason}",
    State.EXPIRED: "⌛ The promotion to {stage} expired: {reason}",
    State.SUPERSEDED: "⏭️ The promotion to {stage} was superseded: {reason}",
    State.ABORTED: "🛑 The promotion to {stage} was stopped: {reason}",
    State.FAILED: "❌ Release {release} failed on {stage}: {reason} There is no release to roll back to.",
    State.ROLLING_BACK: "↩️ Rolling {stage} back from release {release} to {before}: {reason}",
    State.ROLLED_BACK: "↩️ Rolled {stage} back from release {release} to {before}: {reason}",
    State.ROLLBACK_FAILED: "🆘 The rollback of {stage} failed: {reason} A maintainer must fix the stage.",
}
_EPHEMERAL: Mapping[PromotionState, str] = {
    **_HEADLINES,
    State.SUCCEEDED: "✅ Release {release} passed on {stage} (temporary stage, deleted).",
    State.FAILED: "❌ Release {release} failed on {stage} (temporary stage, deleted): {reason}",
}
_ROLLBACKS: Mapping[PromotionState, str] = {
    **_HEADLINES,
    State.REQUESTED: "🔎 {requester} requested a rollback of {stage}.",
    State.ROLLING_BACK: "↩️ {requester} is rolling {stage} back to release {release}.",
    State.ROLLED_BACK: "↩️ {requester} rolled {stage} back to release {release}.",
}


def _succession(successor: Successor) -> str:
    if successor.rolled_back_by:
        return f"rolled back to release `{successor.release_id}` by {successor.rolled_back_by}"
    return f"replaced by release `{successor.release_id}`"


def release_note(promotion: Promotion) -> str:
    """Why the promotion deploys this release and not another one."""
    return f"Why this release: {plain(ended(promotion.note))}"


def _release(release: PromotableRelease | None) -> str:
    return f"{code(release.id)} ({code(release.commit[:7])})" if release is not None else ""


def _checked_commit(promotion: Promotion, shown: PromotableRelease | None) -> str:
    """The commit that was checked, if another release is shown."""
    checked = promotion.release
    return f" of {code(checked.commit[:7])}" if checked is not None and checked != shown else ""


def _shown_release(promotion: Promotion) -> PromotableRelease | None:
    """The release that the stage runs or gets; None when the promotion changes nothing."""
    rolls_back = promotion.state in (State.ROLLING_BACK, State.ROLLED_BACK)
    if rolls_back and promotion.rollback_target is not None:
        return promotion.rollback_target.release
    aborted_early = promotion.state is State.ABORTED and not promotion.placed_hold
    return None if promotion.state in _NOT_DEPLOYED or aborted_early else promotion.release


def _images(release: PromotableRelease) -> str:
    """Images with whole digests, so that they can be compared."""
    images = (f"{code(name)} {code(image.digest)}" for name, image in sorted(release.images.items()))
    return bullet_list(images, f"Images, built once by CI from {code(release.commit[:7])}:")


def _closed_gates(promotion: Promotion) -> list[str]:
    closed = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state not in PENDING or not closed:
        return []
    return [bullet_list(f"🚧 {plain(sentence(gate.reason))}" for gate in closed)]


def _warnings(promotion: Promotion) -> list[str]:
    """Warnings of gates that passed; `parity` shows its own."""
    if promotion.state in _NOT_DEPLOYED:
        return []
    return [
        f"⚠️ {plain(sentence(gate.reason))}"
        for gate in promotion.gates
        if gate.passed and gate.reason and gate.name != PARITY_GATE
    ]


def planned(promotion: Promotion) -> list[str]:
    """What the promotion changes in the stage's infrastructure: addresses, no values."""
    change = promotion.plan
    if change is None or promotion.state in _NOT_DEPLOYED:
        return []
    of_module = f" of {module_name(change.module)}" if change.module is not None else ""
    text = f"🏗️ Terraform plan {code(change.id)}{of_module}: {ended(plan(change.summary))}"
    if change.needs_approval and promotion.missing:
        destructive = bool(change.summary.destructive)
        cause = "It destroys or replaces resources" if destructive else "It is not the approved plan"
        text += f" {cause}, so it needs an approval."
    return [text]


def parity(promotion: Promotion) -> list[str]:
    """Differences from earlier stages, if they block the promotion or are worth a warning."""
    blocked = _differs(promotion)
    unequal = [comparison for comparison in promotion.parity if not comparison.equal]
    if not unequal or (promotion.state in _NOT_DEPLOYED and not blocked):
        return []
    paragraphs = []
    for comparison in unequal:
        if not blocked:
            paragraphs.append(f"⚠️ {plain(sentence(mismatch_reason(comparison)))}")
        if comparison.differences:
            paragraphs.append(_differences(comparison, _DIFF // len(unequal)))
    rule = "Stages may differ only in configuration values, secrets, size and host."
    promote = code(f"/promote {promotion.stage.name}")
    advice = f" Fix `.greenroom.yml` on the default branch, then repeat {promote}." if blocked else ""
    return [*paragraphs, f"{rule}{advice}"]


def _differences(comparison: Comparison, longest: int) -> str:
    lines = list(diff(comparison))
    shown = diff_block(lines, longest)
    if len(lines) <= _UNFOLDED:
        return shown
    summary = f"Differences between {comparison.left} and {comparison.right}"
    return f"<details><summary>{summary}</summary>\n\n{shown}\n\n</details>"


def _next_steps(promotion: Promotion) -> list[str]:
    """What users can do now."""
    name, state = promotion.stage.name, promotion.state
    if promotion.removed_by or promotion.successor is not None:
        return []
    paused = promotion.paused_by or (promotion.rollout is not None and promotion.rollout.paused)
    if paused and state in PENDING | ACTIVE:
        return [f"To continue: {code(f'/resume {name}')}. To cancel: {code(f'/abort {name}')}."]
    if state is State.AWAITING_APPROVAL or promotion.awaits_plan:
        return _approval_steps(promotion)
    blocked = f"Automatic promotions to {name} are blocked until {code(f'/unhold {name}')}."
    if promotion.placed_hold and promotion.pinned:
        unhold = code(f"/unhold {name}")
        return [f"To retry: {unhold}. To deploy another release, pin it in {code('.greenroom.yml')}."]
    if promotion.pinned and state is State.SUCCEEDED:
        return [f"To deploy another release, pin it in {code('.greenroom.yml')} on the default branch."]
    if state is State.ROLLBACK_FAILED:
        return [
            f"To deploy an older release: {code(f'/rollback {name}')}. To deploy a specific one: "
            f"{code(f'/promote {name} RELEASE')}. {blocked}"
        ]
    if promotion.placed_hold:
        return [blocked]
    return _usual_steps(promotion)


def _usual_steps(promotion: Promotion) -> list[str]:
    name, state = promotion.stage.name, promotion.state
    if state in _REPEATABLE and not promotion.pinned and not _differs(promotion):
        return [f"To try again: {code(f'/promote {name}')}."]
    if state is State.SUCCEEDED and not promotion.ephemeral:
        return [f"To undo: {code(f'/rollback {name}')} (restores code and configuration)."]
    if state in PENDING or (state in ACTIVE and state is not State.ROLLING_BACK):
        return [f"To cancel: {code(f'/abort {name}')}."]
    return []


def _differs(promotion: Promotion) -> bool:
    """Whether parity blocks it; its paragraph contains the advice."""
    return any(gate.name == PARITY_GATE and not gate.passed for gate in promotion.gates)


def _approval_steps(promotion: Promotion) -> list[str]:
    name, digest = promotion.stage.name, promotion.configuration_digest
    named = promotion.release.id if promotion.release is not None else ""
    if promotion.plan is not None and promotion.plan.needs_approval:
        named = promotion.plan.id
    approve = f"/approve {name} {named}".rstrip()
    excluded = dict.fromkeys(filter(None, (promotion.requested_by, *promotion.authors)))
    except_for = f" (not {' or '.join(map(plain, excluded))})" if excluded else ""
    steps = f"To approve: {code(approve)}{except_for}."
    if promotion.state in PENDING:
        steps += f" To reject: {code(f'/reject {name} REASON')}."
    elif promotion.state is not State.ROLLING_BACK:
        steps += f" To cancel: {code(f'/abort {name}')}."
    approvers = [
        plain(approval.by)
        for approval in promotion.approvals
        if approval.configuration_digest == digest and approval.plan == plan_digest(promotion)
    ]
    if approvers:
        steps += f" Approved so far: {', '.join(approvers)}."
    missing = bullet_list(f"✋ {plain(sentence(requirement))}" for requirement in promotion.missing)
    return [paragraph for paragraph in (missing, steps) if paragraph]


def timeline(events: tuple[TimelineEntry, ...]) -> str:
    """The latest events, folded."""
    left_out = len(events) - _EVENTS
    lines = [f"… {left_out} earlier events"] * (left_out > 0)
    for event in events[-_EVENTS:]:
        by = f", {plain(event.by)}" if event.by else ""
        lines.append(f"{format_time(event.at, seconds=True)}{by}: {plain(event.event, _EVENT)}")
    return f"<details><summary>Timeline</summary>\n\n{bullet_list(lines)}\n\n</details>"
