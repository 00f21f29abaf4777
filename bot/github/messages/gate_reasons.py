"""Texts of the reasons why a gate does not pass: without a capital and a full stop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from bot.github.messages.cluster_reasons import move_unconfirmed, not_granted
from bot.github.messages.markdown import name_list
from bot.github.messages.parity import mismatch_reason
from bot.model.commit import UnknownAuthor, UnknownRole
from bot.model.durations import format_duration
from bot.model.protection import Protection, Reviewers
from bot.model.pull_request import PullRequest
from bot.model.reason import Reported
from bot.model.times import format_time
from bot.promotions import gate_reasons as gates
from bot.promotions.provenance import Doubt

_MOST_OBJECTS = 5
_MERGE = "merge the pull request and promote the build of the default branch"


def gate_reason(reason: gates.GateReason) -> str:  # noqa: C901  # one case per reason
    match reason:
        case gates.CannotRead(gates.Unreadable.RULES, stage):
            text = f"the rules of the GitHub Environment {stage} cannot be read"
            return f"{text} (`greenroom doctor` shows a missing permission)"
        case gates.CannotRead(subject):
            return f"the {subject} cannot be read"
        case gates.NotVerified(release_id, stages, any_of):
            first = f"`/promote {stages[0]}`"
            return f"{release_id} must pass {join(stages, 'or' if any_of else 'and')} first: {first}"
        case gates.ForkOnDemo():
            return f"a demo does not run releases that were built for a fork; {_MERGE}"
        case gates.ForkWithSecrets(stage):
            return f"{stage} has secrets, so it runs no release that was built for a fork; {_MERGE}"
        case gates.ForkWithInfrastructure(stage):
            return f"{stage} has infrastructure, so it runs no release that was built for a fork; {_MERGE}"
        case gates.PlanMissing(""):
            return "the Terraform plan waits until the other requirements are met"
        case gates.PlanMissing(message):
            return f"the Terraform plan is not made yet: {message}"
        case gates.PlanImpossible(message):
            return f"Terraform cannot plan the release: {message}"
        case gates.PlanForbidden(addresses):
            forbids = "which `infrastructure.destroy: refuse` forbids"
            return f"the Terraform plan destroys or replaces {name_list(addresses)}, {forbids}"
        case gates.PullRequestClosed(number):
            return f"#{number} was closed without being merged; reopen it"
        case gates.UnknownAuthors(unknown, commit, number):
            vouch = f"`/vouch` on #{number}" if number is not None else f"`/vouch {commit}`"
            text = f"{_unknown_authors(unknown)}, so it is unknown whose reviews and approvals count"
            return f"{text}; a maintainer who takes responsibility comments {vouch}"
        case gates.ReviewRequired(required, problem):
            rule = "the stage is protected" if required is None else _reviews_required(required)
            return f"{rule}, {_review_problem(problem)}"
        case gates.ChecksFailed(names):
            return f"required checks failed: {', '.join(names)}; fix them or run them again"
        case gates.ChecksPending(names):
            return f"required checks have not succeeded yet: {', '.join(names)}"
        case gates.PreviewChecksFailed(commit, names):
            again = "`/preview refresh` runs them again"
            return f"checks failed in the preview of {commit[:7]}: {', '.join(names)} ({again})"
        case gates.PreviewChecksUnknown(commit, names):
            run = "`/preview refresh` runs them"
            return f"no preview ran these checks for {commit[:7]}: {', '.join(names)} ({run})"
        case gates.UnsupportedRules(environment, rules):
            text = f"the GitHub Environment {environment} has rules that only GitHub's workflows can enforce"
            return f"{text}: {', '.join(rules)}"
        case gates.BranchNotAllowed(environment, protection, branch):
            where = f"is on {branch.name}" if branch.name else "is on no branch of the repository"
            only = f"the GitHub Environment {environment} allows releases of {branch_rules(protection)} only"
            return f"{only}; this release {where}"
        case gates.WaitTimer(environment, until):
            return f"the GitHub Environment {environment} requires a wait until {format_time(until)}"
        case gates.ParityMismatch(comparisons):
            return "; ".join(map(mismatch_reason, comparisons))
        case gates.ParityPending(stages):
            return f"the comparison with {join(stages)} is not complete"
        case gates.Behind(stage, running, count):
            commits = f"{count} commit{'s' * (count > 1)} behind {running[:7]}, which it replaces on {stage}"
            return f"this release is {commits}: update the branch, unless {stage} should lose their changes"
        case gates.HostTaken(host, stage):
            return f"stage {stage} uses the host {host}"
        case gates.ClusterRefused(refusal):
            return not_granted(refusal)
        case gates.MoveUnconfirmed(stage, present, cluster):
            return move_unconfirmed(stage, present, cluster)
        case gates.OnHold(stage, cause_text):
            return f"{stage} is on hold ({cause_text}); lift the hold with `/unhold {stage}`"
        case gates.StageDrifted(stage, objects) if objects:
            return (
                f"{stage} has drifted from its deployment: {join(objects[:_MOST_OBJECTS])}"
                f"{' and more' if len(objects) > _MOST_OBJECTS else ''}; `/drift {stage}` shows it"
            )
        case gates.StageDrifted(stage, _, problem):
            return f"it is not known whether {stage} has drifted ({problem.rstrip('.')})"
        case gates.StageLocked(stage, by, until, cause_text, show_unlock):
            return (
                f"{locked(stage, by, until, cause_text)}{f'; unlock it with `/unlock {stage}`' * show_unlock}"
            )
        case gates.StageFrozen(until, zone, cause_text):
            return f"frozen until {format_time(until, zone=zone)}{f' ({cause_text})' if cause_text else ''}"
        case gates.StageBusy(stage, kind, promotion, by):
            return f"{stage} is busy: {kind} {promotion} by {by or 'the pipeline'} is active"
        case Reported(text):
            return text.rstrip(".")
    assert_never(reason)


_UNKNOWN_SHOWN = 3


def _unknown_authors(unknown: Sequence[UnknownAuthor]) -> str:
    pushers = [author.commit for author in unknown if author.role is UnknownRole.PUSHER]
    others = [author for author in unknown if author.role is not UnknownRole.PUSHER][:_UNKNOWN_SHOWN]
    people = join([f"the {author.role} of {author.commit[:7]}" for author in others])
    texts = [f"GitHub attributes {people} to no account"] if others else []
    texts += [f"GitHub does not show who pushed {pushers[0][:7]}"] if pushers else []
    return join(texts)


def _reviews_required(required: int) -> str:
    return f"{required} approving review{'s' if required > 1 else ''} of this commit required"


def _review_problem(
    problem: gates.BuiltForFork | gates.NotReviewed | gates.TooFewReviews,
) -> str:
    match problem:
        case gates.BuiltForFork():
            return "and this release was built for a fork"
        case gates.NotReviewed(commit, doubt, pull):
            return f"and {_doubt(commit[:7], doubt, pull)}"
        case gates.TooFewReviews(commit, approving, outdated):
            count = f"and {commit[:7]} has {approving or 'no'} approving review{'s' * (approving != 1)}"
            if not outdated:
                return count
            return f"{count}; {join(outdated)} approved before the base branch changed and must review again"
    assert_never(problem)


def _doubt(commit: str, doubt: Doubt, pull: PullRequest | None) -> str:
    """Why no review covers the commit, and the next step."""
    if pull is None or doubt is Doubt.NO_PULL_REQUEST:
        return f"{commit} did not come from a pull request, so it has no review; open one for this change"
    number, base, branch = pull.number, pull.base_ref, pull.default_branch
    match doubt:
        case Doubt.OTHER_BRANCH:
            problem = f"#{number} targets {base}, whose other changes were not reviewed there"
            return f"{problem}; open a pull request from {base} to {branch}"
        case Doubt.NOT_THE_HEAD:
            problem = f"the reviews of #{number} are for {pull.head_sha[:7]}, not for {commit}"
            return f"{problem}; promote {pull.head_sha[:7]} instead"
        case Doubt.CONTENT_CHANGED:
            problem = f"merging #{number} changed the content that was reviewed"
            return f"{problem}; promote before the merge, or update branches from {branch} before a review"
        case Doubt.UNKNOWN_AUTHOR:
            return f"an author of #{number} is unknown"
        case Doubt.UNREADABLE:
            return f"the reviews of #{number} cannot be read"
    assert_never(doubt)


def locked(stage: str, by: str, until: datetime, reason: str) -> str:
    return f"{stage} is locked by {by} until {format_time(until)}{f' ({reason})' if reason else ''}"


def rules(protection: Protection) -> str:
    """All rules of a GitHub Environment."""
    parts = []
    if protection.reviewers is not None:
        parts.append(f"approval from {reviewers(protection.reviewers)}")
    if protection.wait:
        parts.append(f"a wait of {format_duration(protection.wait)}")
    if protection.restricts_branches:
        parts.append(f"releases of {branch_rules(protection)} only")
    parts += [f"the rule {name}" for name in protection.unsupported_rules]
    return ", ".join(parts) or "nothing"


def branch_rules(protection: Protection) -> str:
    """Branches that a GitHub Environment allows."""
    parts = ["protected branches"] * protection.protected_branches
    if protection.branches is not None:
        named = " or ".join(protection.branches)
        parts.append(f"the branch {named}" if named else "no branch")
    return " that are also ".join(parts)


def reviewers(of: Reviewers) -> str:
    """Such as `bea, cem or a member of ops`."""
    names = [*of.users, *(f"a member of {team}" for team in of.teams)]
    return join(names, "or") or "reviewers that GitHub does not show"


def join(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
