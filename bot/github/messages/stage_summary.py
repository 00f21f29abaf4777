"""Sentences about stages and pending promotions, for GitHub, the pages and the command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.github.messages.gate_reasons import join, reviewers
from bot.github.messages.promotion_reasons import missing_approval
from bot.github.messages.refusals import refusal
from bot.github.messages.rollout import rollout_state
from bot.model.environment import RUNNING, CheckState, EnvironmentKind, EnvironmentState
from bot.model.promotion import PENDING, PromotionState
from bot.model.release import PromotableRelease
from bot.promotions.views import PendingPromotion, PipelineView, StageView

State = PromotionState


def stage_headline(stage: StageView) -> str:
    """One sentence: what runs on the stage, or what happens to it."""
    name = f"{stage.name} (cluster {stage.cluster})" if stage.cluster else stage.name
    if stage.release is None:
        last = f" Last verified: {_release(stage.verified[0].target.release)}." if stage.verified else ""
        return f"Nothing runs on {name}.{last}"
    release = f"Release {_release(stage.release)}"
    others = stage.running if stage.running != stage.release else None
    still = f" Release {_release(others)} still runs." if others is not None else ""
    if stage.active is not None and stage.active.promotion.state is State.ROLLING_BACK:
        return f"{name} is being rolled back to release {_release(stage.release)}.{still}"
    if stage.active is not None:
        return f"{release} is being promoted to {name}: {stage.active.promotion.state}.{still}"
    if stage.state is EnvironmentState.FAILED:
        return f"{release} failed on {name}.{still}"
    if stage.state is EnvironmentState.CHECKS_FAILED:
        return f"{release} runs on {name}, but its checks failed."
    if stage.state not in RUNNING:
        return f"{release} is being deployed to {name}.{still}"
    return f"{release} runs on {name}{'' if stage.verified_at is not None else ' (not verified)'}."


def demo_policy(stage: StageView) -> str:
    """Who moves a demo; "" for a stage."""
    if stage.key.kind is not EnvironmentKind.DEMO:
        return ""
    if not stage.configured:
        return "Demo that is no longer configured; an operator deletes it with `greenroom stage remove`."
    if stage.pin is None:
        return "Demo, moved by commands."
    pinned = f"Demo, pinned to {stage.pin.release} in `.greenroom.yml`"
    problem = stage.pin.problem.rstrip(".")
    return f"{pinned}; not possible now: {problem}." if problem else f"{pinned}."


def configuration_problem(pipeline: PipelineView) -> str:
    """Why the current configuration is not known; "" when it is."""
    return refusal(pipeline.problem) if pipeline.problem is not None else ""


def state_label(state: PromotionState) -> str:
    """The state as users know it."""
    return "waiting" if state is State.GATING else state.value


def waits_for(pending: PendingPromotion) -> tuple[str, ...]:
    """What the promotion is waiting for: at least one text, without a full stop."""
    promotion = pending.promotion
    state = promotion.state
    texts = [f"paused by {promotion.paused_by}"] if promotion.paused_by else []
    if state in PENDING:
        texts += [gate.reason for gate in promotion.gates if not gate.passed]
        texts += filter(None, [promotion.waiting_for])
    texts += map(missing_approval, pending.missing)
    if state is State.ROLLING_OUT and promotion.rollout is not None:
        texts += rollout_state(promotion.rollout)
    running = [check.name for check in promotion.checks if check.state in _RUNNING]
    if state is State.VERIFYING and running:
        texts.append(f"running checks: {', '.join(running)}")
    return tuple(texts or [_PROGRESS[state]])


_RUNNING = (CheckState.QUEUED, CheckState.RUNNING)
_PROGRESS: Mapping[PromotionState, str] = {
    State.REQUESTED: "resolving its release",
    State.GATING: "evaluating its requirements",
    State.AWAITING_APPROVAL: "continuing shortly",
    State.QUEUED: "continuing shortly",
    State.DEPLOYING: "rolling out",
    State.ROLLING_OUT: "moving traffic to the candidate",
    State.VERIFYING: "running its checks",
    State.SOAKING: "soaking",
    State.ROLLING_BACK: "returning to the last verified release",
}


def deadline_label(pending: PendingPromotion) -> str:
    """What happens at `pending.until`."""
    return "Continues" if pending.promotion.state is State.SOAKING else "Times out"


def approvers(pending: PendingPromotion) -> str:
    """From whom the missing approvals may come; "" when none are missing."""
    needed, promotion = pending.requirement, pending.promotion
    if needed is None:
        return ""
    sources = []
    if needed.count:
        sources.append(
            f"members of {join(needed.teams, 'or')}" if needed.teams else "anyone with write access"
        )
    if needed.reviewers is not None:
        sources.append(f"{reviewers(needed.reviewers)} (GitHub Environment)")
    requester = promotion.requested_by
    authors = [author for author in promotion.authors if author.lower() != requester.lower()]
    excluded = [
        *([f"{requester} (requester)"] if requester else []),
        *(f"{name} (author)" for name in authors),
    ]
    return f"{join(sources)}{f' except {join(excluded)}' if excluded else ''}"


def _release(release: PromotableRelease) -> str:
    return f"`{release.id}` of `{release.commit[:7]}`"
