"""Texts of promotions' reasons, timeline events and notes: without a full stop. Pure."""

from __future__ import annotations

from typing import assert_never

from bot.github.messages.gate_reasons import gate_reason, join, reviewers, rules
from bot.github.messages.infrastructure import plan_counts
from bot.github.messages.markdown import clause
from bot.github.messages.refusals import refusal_reason
from bot.model.promotion import PromotionKind, PromotionState, Successor
from bot.model.reason import Reported
from bot.promotions import gate_reasons, reasons
from bot.promotions.reasons import BuildCause, UserAction


def describe(reason: reasons.PromotionReason) -> str:  # noqa: C901  # one case per reason
    """The text that is stored with the promotion; hostile words in it are not escaped."""
    match reason:
        case reasons.AlreadyRequested(by, kind, state, stage):
            text = f"{by} already requested a {kind}, which is {state}"
            return f"{text}: wait for it or end it with `/abort {stage}`"
        case reasons.Superseded(by):
            return f"{by} requested another promotion" if by else "a newer release was requested"
        case reasons.NoLongerConfigured(kind, name):
            return f"the {kind} {name} is no longer in `.greenroom.yml`"
        case reasons.RecordLost():
            return "it ended after the backup that Greenroom was restored from; `/status` shows what runs"
        case reasons.RequirementsNotMet(gates, timed_out):
            return "; ".join([*(["requirements were not met in time"] * timed_out), *gates])
        case reasons.ServiceUnavailable(problem):
            return f"{clause(problem)}; Greenroom tries again"
        case reasons.ReleaseNotBuilt():
            return "CI has not pushed all images of the release yet"
        case reasons.TimedOut(state, waiting_for):
            doing = "waiting for its requirements" if state is PromotionState.GATING else state
            return f"timed out while {doing}{f'; {waiting_for}' if waiting_for else ''}"
        case reasons.CheckFailed(check, summary):
            return f"the check {check} failed: {summary}".rstrip(".")
        case reasons.RolloutFailed():
            return "the rollout failed"
        case reasons.PromotionFailed(release_id, cause_text):
            return f"release {release_id} failed: {cause_text}"
        case reasons.EndedBy():
            return _ended_by(reason)
        case reasons.RolledBackFrom(by, release_id):
            return f"{by} rolled back from release {release_id}"
        case reasons.HeldBy(by):
            return f"requested by {by}"
        case reasons.ApprovalsMissing() | reasons.EnvironmentApprovalMissing():
            return missing_approval(reason)
        case reasons.SameContent() | reasons.DefaultBranchBuild() | reasons.TagNamed():
            return _note(reason)
        case reasons.DemoPinned(demo, release, commit, note):
            text = f".greenroom.yml of {commit[:7]} pins {demo} to {release}"
            return f"{text}, and {_note(note)}" if note is not None else text
        case Reported(text):
            return text.rstrip(".")
    if isinstance(reason, reasons.Event):
        return _event(reason)
    if isinstance(reason, gate_reasons.GateReason):
        return gate_reason(reason)
    return refusal_reason(reason)


def _ended_by(reason: reasons.EndedBy) -> str:
    match reason.action:
        case UserAction.REJECTED | UserAction.ABORTED:
            text = f"{reason.action} by {reason.by}"
        case UserAction.ROLLED_BACK:
            text = f"{reason.by} rolled back {reason.stage}"
        case _:
            assert_never(reason.action)
    if reason.reason:
        text += f": {reason.reason}"
    if reason.stage_kept:
        text += f"; {reason.stage} has no verified release to return to and keeps this one"
    return text


def missing_approval(missing: reasons.MissingApproval) -> str:
    match missing:
        case reasons.ApprovalsMissing(given, count, teams):
            whose = f" from members of {join(teams, 'or')}" if teams else ""
            have = f" ({given} given)" if given else ""
            return f"needs {count} approval{'s' * (count > 1)}{whose} within 24 hours{have}"
        case reasons.EnvironmentApprovalMissing(environment, required):
            return f"the GitHub Environment {environment} requires approval from {reviewers(required)}"
    assert_never(missing)


def _event(event: reasons.Event) -> str:  # noqa: C901  # one case per reason
    match event:
        case reasons.RequestedEvent(PromotionKind.ROLLBACK, stage, release_id):
            return f"Rollback of {stage} to release {release_id} requested"
        case reasons.RequestedEvent(_, stage):
            return f"Promotion to {stage} requested"
        case reasons.StateEvent(state, cause_text):
            name = "Checking the requirements" if state is PromotionState.GATING else state.value.capitalize()
            return f"{name}{f': {cause_text}' if cause_text else ''}"
        case reasons.Replaced(Successor(release_id, rolled_back_by)):
            return f"{'Rolled back to' if rolled_back_by else 'Replaced by'} release {release_id}"
        case reasons.StageDeleted(stage):
            return f"Deleted {stage} with its data"
        case reasons.ConfigurationChanged(stage, revoked):
            return f"The configuration of {stage} changed{'; a new approval is required' * revoked}"
        case reasons.PlanMade(summary, revoked):
            return f"Terraform planned: {plan_counts(summary)}{'; a new approval is required' * revoked}"
        case reasons.RulesChanged("", protection):
            return rules(protection)
        case reasons.RulesChanged(environment, protection, revoked):
            text = f"The GitHub Environment {environment} requires {rules(protection)}"
            return f"{text}; approvals that no longer count: {', '.join(revoked)}" if revoked else text
        case reasons.GatesEvaluated(gates):
            return "; ".join(gates) or "all requirements are met"
        case reasons.Approved(given, count, environment):
            number = f", {given} of {count}" if count else ""
            return f"Approved{f' for the GitHub Environment {environment}' if environment else ''}{number}"
        case reasons.ApprovalRevoked(by, lost_access):
            reason = "has no write access any more" if lost_access else "left the team that may approve"
            return f"The approval of {by} no longer counts: {by} {reason}"
        case reasons.Paused():
            return "Paused"
        case reasons.Resumed():
            return "Resumed"
        case reasons.AnalysisSkipped():
            return "The remaining analysis is skipped"
        case reasons.StepStarted(weight):
            return f"The candidate gets {weight} % of the traffic"
        case reasons.RolloutNotice(text):
            return text
    assert_never(event)


def _note(note: reasons.Note) -> str:
    match note:
        case reasons.SameContent(merge, branch, tree):
            return f"{merge[:7]} on {branch} has the content that reviewers saw (tree {tree[:7]})"
        case reasons.DefaultBranchBuild(cause, commit, branch):
            whose = f"{branch}'s" if branch else "the default branch's"
            return f"{_build_cause(note, cause)}, so CI's build of {whose} {commit[:7]} is used"
        case reasons.TagNamed(tag, commit, inner):
            text = f"the tag {tag} names {commit[:7]}"
            return f"{text}, and {_note(inner)}" if inner is not None else text
    assert_never(note)


def _build_cause(note: reasons.DefaultBranchBuild, cause: BuildCause) -> str:
    match cause:
        case BuildCause.NO_PULL_REQUEST:
            return f"{note.commit[:7]} did not come from a pull request"
        case BuildCause.NO_PREVIEW:
            return f"no preview of {note.head[:7]} was ready"
        case BuildCause.FORK:
            return f"{note.head[:7]} was built for a fork"
        case BuildCause.CONTENT_CHANGED:
            before, after = note.trees
            return f"merging changed the content (tree {before[:7]} became {after[:7]})"
    assert_never(cause)
