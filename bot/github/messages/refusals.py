"""Texts of refused requests: without a capital and a full stop. `refusal` makes a sentence. Pure."""

from __future__ import annotations

from typing import assert_never

from bot.github.messages.gate_reasons import join, locked, reviewers
from bot.github.messages.markdown import sentence
from bot.model.reason import Reported
from bot.promotions import refusals
from bot.promotions.refusals import Objection, PromotionProblem, ReleaseProblem, StageProblem

_FILE = ".greenroom.yml"


def refusal(reason: refusals.RefusalReason) -> str:
    """A sentence for the user."""
    return sentence(refusal_reason(reason))


def refusal_reason(reason: refusals.RefusalReason) -> str:  # noqa: C901  # one case per reason
    match reason:
        case refusals.StageRefusal(problem, stage):
            return _stage_problem(problem, stage)
        case refusals.PromotionRefusal():
            return _promotion_problem(reason)
        case refusals.UnknownTarget(kind, name, stages, demos, suggestion):
            names = f"stages: {', '.join(stages) or 'none'}" + f"; demos: {', '.join(demos)}" * bool(demos)
            return f"there is no {kind} {name} ({names})" + f". Did you mean `{suggestion}`?" * bool(
                suggestion
            )
        case refusals.NoConfiguration(name):
            missing = f"{f'there is no stage {name}: ' * bool(name)}the default branch has no {_FILE}"
            return f"{missing}; `greenroom init` proposes one"
        case refusals.ConfigurationUnusable(problem, has_errors):
            state = "has errors" if has_errors else "cannot be read"
            correct = "; correct it there and repeat the command" if has_errors else ""
            return f"`{_FILE}` on the default branch {state}: {problem.rstrip('.')}{correct}"
        case refusals.DemoIsPinned(demo, release, None):
            return f"demo {demo} is pinned to {release}, and {_FILE} cannot be used now"
        case refusals.DemoIsPinned(demo, release, line):
            return (
                f"demo {demo} is pinned to {release} in {_FILE}, line {line}: change it on the default branch"
            )
        case refusals.StageActive(stage, promotion, by):
            whose = f" by {by}" if by else ""
            return f"stage {stage} is busy: promotion {promotion}{whose} is active; repeat this when it ends"
        case refusals.StageIsLocked(stage, by, until, cause_text):
            text = f"stage {locked(stage, by, until, cause_text)}"
            return f"{text}; {by} or a user with the role `maintain` can unlock it with `/unlock {stage}`"
        case refusals.LockedByOther(stage, by):
            return f"{by} locked {stage}: only {by} or a user with the role `maintain` can unlock it"
        case refusals.LockTooLong(days):
            return f"a lock lasts at most {days} days; repeat the command with a shorter time"
        case refusals.AlreadyOnHold(stage, cause_text):
            return f"stage {stage} is already on hold: {cause_text}; `/unhold {stage}` lifts the hold"
        case refusals.AlreadyPaused(promotion, by):
            return f"promotion {promotion} is already paused by {by}; `/resume` continues it"
        case refusals.ApprovalInvalid():
            return f"this does not count as an approval: {_objection(reason)}"
        case refusals.ApprovalForOther(stage, release, named, plan):
            promoted = f"the promotion to {stage} is now for release {release.id} ({release.commit[:7]})"
            promoted += f" with the Terraform plan {plan}" if plan else ""
            cause_text = f"not for {named}" if named else "and your comment was not written after that"
            approve = f"`/approve {stage} {release.id}`"
            return f"this does not count as an approval: {promoted}, {cause_text}; review it, then {approve}"
        case refusals.AmbiguousRelease(stage, named, ids):
            choices = join([f"`/approve {stage} {id}`" for id in ids], "or")
            return f"the commit {named} has {len(ids)} releases; approve the one that you reviewed: {choices}"
        case refusals.OtherPullRequest(stage, number):
            return f"the promotion to {stage} belongs to #{number}: review and approve it there"
        case refusals.UnknownPullRequest(number, repository):
            where = f" in {repository}" if repository else ""
            return f"there is no pull request #{number}{where}; check the number"
        case refusals.NoPromotion(action, stage):
            which = f"to {stage}" if stage else "of this pull request"
            return f"there is no promotion {which} to {action}; `{_status(stage)}` shows the last ones"
        case refusals.AmbiguousPromotion(action, stages):
            return f"choose which one to {action}: {join([f'`/{action} {stage}`' for stage in stages], 'or')}"
        case refusals.NoRelease():
            return _no_release(reason)
        case refusals.NothingToCompare(stages, problem, file_missing):
            idle = f"nothing runs on {join(stages, 'or')}"
            if file_missing:
                return f"{idle}, and the default branch has no {_FILE}"
            return f"{idle}, and {f'{_FILE} cannot be used: {problem}' if problem else 'no release exists'}"
        case Reported(text):
            return text
    assert_never(reason)


def _stage_problem(problem: StageProblem, stage: str) -> str:
    match problem:
        case StageProblem.NOTHING_RUNS:
            return f"nothing runs on {stage}; `/promote {stage}` deploys a release"
        case StageProblem.NO_VERIFIED_RELEASE:
            return f"stage {stage} has no other verified release; promote a fix with `/promote {stage}`"
        case StageProblem.ROLLING_BACK:
            problem_text = f"stage {stage} is already rolling back, which cannot be aborted"
            return f"{problem_text}; {_shows(stage)} its progress"
        case StageProblem.NOT_LOCKED:
            return f"stage {stage} is not locked; {_shows(stage)} its state"
        case StageProblem.NOT_ON_HOLD:
            return f"stage {stage} is not on hold; {_shows(stage)} its state"
        case StageProblem.STILL_CONFIGURED:
            return f"{stage} is configured: remove it from {_FILE} on the default branch first"
        case StageProblem.RULES_UNREADABLE:
            return (
                f"the rules of the GitHub Environment {stage}, which may name the approvers, cannot be read "
                "(`greenroom doctor` shows a missing permission)"
            )
        case StageProblem.MAY_NOT_SKIP:
            return f"skipping the analysis on {stage} requires the role `maintain`; ask a user with that role"
    assert_never(problem)


def _status(stage: str | None) -> str:
    return f"/status {stage}" if stage else "/status"


def _shows(stage: str) -> str:
    return f"`{_status(stage)}` shows"


def _promotion_problem(reason: refusals.PromotionRefusal) -> str:
    subject = f"promotion {reason.promotion} is {reason.state}"
    match reason.problem:
        case PromotionProblem.NOT_AWAITING_APPROVAL:
            return f"{subject} and does not need an approval; {_shows(reason.stage)} it"
        case PromotionProblem.CANNOT_REJECT:
            return f"{subject} and cannot be rejected. To end it: `/abort {reason.stage}`"
        case PromotionProblem.CANNOT_PAUSE:
            return f"{subject} and cannot be paused; {_shows(reason.stage)} it"
        case PromotionProblem.NOT_PAUSED:
            return f"{subject}, not paused; {_shows(reason.stage)} it"
        case PromotionProblem.NOTHING_TO_SKIP:
            skipped = "`--now` skips the analysis of a canary or of `keep`, and none is in progress"
            return f"{subject}: {skipped}; {_shows(reason.stage)} it"
        case PromotionProblem.ENDED:
            return f"{subject}: it has already ended; `/promote {reason.stage}` requests another one"
    assert_never(reason.problem)


def _objection(invalid: refusals.ApprovalInvalid) -> str:
    match invalid.objection:
        case Objection.REQUESTER:
            return "the requester of a promotion cannot approve it; ask another approver"
        case Objection.AUTHOR:
            return "an author of its commits cannot approve it; ask another approver"
        case Objection.NOT_APPROVER:
            sources = []
            if invalid.teams:
                sources.append(f"members of {join(invalid.teams, 'or')}")
            if invalid.reviewers is not None:
                named = f"(GitHub Environment {invalid.environment})"
                sources.append(f"{reviewers(invalid.reviewers)} {named}")
            return f"approvals count only from {join(sources, 'and')}"
    assert_never(invalid.objection)


def _no_release(reason: refusals.NoRelease) -> str:  # noqa: C901  # one case per reason
    commit, requested = reason.commit[:7], reason.requested
    match reason.problem:
        case ReleaseProblem.NO_PULL_REQUEST:
            return "there is no pull request to take the release from: name a release, tag or commit"
        case ReleaseProblem.UNKNOWN:
            return f"there is no release, tag or commit {requested}"
        case ReleaseProblem.NOT_IN_HISTORY:
            subject = f"{commit} (tag {requested})" if requested else commit
            history = f"{subject} is not in the history of the default branch"
            return f"{history}, and no preview of it was ready; name another one"
        case ReleaseProblem.CLOSED:
            return "the pull request was closed without being merged; reopen it, or name a release"
        case ReleaseProblem.HEAD_MOVED:
            current = reason.current[:7]
            return f"the head changed from {commit} to {current}: review it and repeat the command"
        case ReleaseProblem.NO_PREVIEW:
            return f"the preview of {commit} has not been ready yet: repeat the command when it is"
        case ReleaseProblem.OTHER_BRANCH:
            base, default = reason.branches
            where = f"{commit} is only on {base}, not on {default}"
            return (
                f"merging did not keep the reviewed release, and {where}; merge {base} into {default} first"
            )
        case ReleaseProblem.CI_FAILED:
            failed = f"CI failed for {commit} ({', '.join(reason.failed)}), so there is no image"
            return f"{failed}; fix it or run CI again"
        case ReleaseProblem.FORK:
            return "the release was built for a fork; merge it and promote the build of the default branch"
        case ReleaseProblem.NO_IMAGE:
            return f"the image of {requested} is not in the registry yet"
    assert_never(reason.problem)
