"""Sentences about the infrastructure of environments. Pure. They name resources by address, never values."""

from __future__ import annotations

from typing import assert_never

from bot.environments.infrastructure.reasons import (
    DestroyFailed,
    InfrastructureApplied,
    InfrastructureFailed,
    InfrastructurePlanned,
    InfrastructureReason,
    InfrastructureRunning,
    OutputsUnusable,
    PlainInfrastructureReason,
    PlanNeedsApproval,
    PlanRefused,
)
from bot.github.messages.markdown import clause, code, ended, name_list
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.infrastructure import RunKind
from bot.model.plan import PinnedModule, PlanSummary
from bot.model.times import format_time


def describe_infrastructure(reason: InfrastructureReason) -> str:  # noqa: C901 - one case for each reason
    match reason:
        case PlainInfrastructureReason():
            return _plain(reason)
        case InfrastructureRunning(kind, message):
            return f"Waiting for Terraform ({_step(kind)}): {clause(message)}"
        case InfrastructureFailed(RunKind.APPLY, message):
            return (
                f"Terraform failed to apply the plan: {ended(message)} What it already created remains. "
                "Fix the cause, then push or use `/preview refresh`"
            )
        case InfrastructureFailed(kind, message):
            return f"Terraform failed ({_step(kind)}): {clause(message)}"
        case InfrastructurePlanned(summary):
            return f"Terraform planned: {plan(summary)}"
        case InfrastructureApplied(summary):
            return f"Infrastructure: {plan(summary)}"
        case PlanNeedsApproval(environment, digest, summary, changed):
            text = "The Terraform plan is not the approved one:" if changed else "The Terraform plan"
            return f"{text} {_approvable(summary, changed)}. {_approval(environment, digest)}"
        case PlanRefused(summary):
            return (
                f"The Terraform plan destroys or replaces {name_list(summary.destructive)}, which "
                "`infrastructure.destroy: refuse` forbids"
            )
        case OutputsUnusable(missing, short):
            parts = []
            if missing:
                parts.append(f"The Terraform module has no output {name_list(missing)}.")
            if short:
                parts.append(f"The sensitive output for {name_list(short)} is too short to be hidden.")
            return " ".join(parts)
        case DestroyFailed(environment, failures, message, again):
            times = "once" if failures == 1 else f"{failures} times in a row"
            return (
                f"Terraform failed to destroy the infrastructure ({times}): {ended(message)} Nothing is "
                f"deleted until it succeeds. The next attempt is at {format_time(again)}. An operator can "
                f"end the retries with `greenroom env abandon {environment}`"
            )
        case unknown:
            assert_never(unknown)


def plan(summary: PlanSummary) -> str:
    """Counts, and the addresses by what happens to them."""
    if summary.is_empty:
        return "no changes"
    groups = (
        ("creates", summary.created),
        ("changes", summary.updated),
        ("replaces", summary.replaced),
        ("destroys", summary.destroyed),
    )
    shown = [f"{verb} {name_list(names)}" for verb, names in groups if names]
    return f"{_counts(summary)}; it {', '.join(shown)}" if shown else "only outputs change"


def module_name(module: PinnedModule) -> str:
    """A module in another repository, with the commit that runs."""
    ref = "" if module.ref == module.commit else f" {code(module.ref)},"
    return f"{code(module.repository)} at{ref} {code(module.commit[:7])}"


def plan_counts(summary: PlanSummary) -> str:
    return "no changes" if summary.is_empty else _counts(summary)


def _approvable(summary: PlanSummary, changed: bool) -> str:
    if changed:
        return plan(summary)
    return f"destroys or replaces {name_list(summary.destructive)} ({_counts(summary)})"


def _approval(environment: EnvironmentKey, digest: str) -> str:
    operator = f"`greenroom env approve-plan {environment} {digest}`"
    if environment.kind is EnvironmentKind.PREVIEW:
        return f"An operator can approve it with {operator}"
    return f"Approve it with `/approve {environment.name} {digest}`, or as an operator with {operator}"


def _counts(summary: PlanSummary) -> str:
    replaced = len(summary.replaced)
    return (
        f"{len(summary.created) + replaced} to add, {len(summary.updated)} to change, "
        f"{len(summary.destroyed) + replaced} to destroy"
    )


def _step(kind: RunKind) -> str:
    return {
        RunKind.PLAN: "plan",
        RunKind.APPLY: "apply",
        RunKind.DESTROY: "destroy",
        RunKind.COMPARE: "comparison",
    }[kind]


def _plain(reason: PlainInfrastructureReason) -> str:
    match reason:
        case PlainInfrastructureReason.NOT_OFFERED:
            return (
                "Not started: this environment has infrastructure, but Terraform is not enabled. The "
                "operator can enable it with `GREENROOM_TERRAFORM_IMAGE`"
            )
        case PlainInfrastructureReason.WITHHELD_FROM_FORK:
            return "Terraform never runs for a fork, so this preview has no outputs of its infrastructure"
        case PlainInfrastructureReason.FORK_ON_STAGE:
            return "This stage has infrastructure, so it does not run releases built for a fork"
        case PlainInfrastructureReason.NAMESPACE_TERMINATING:
            return "Waiting for the previous namespace of the infrastructure to be deleted"
        case PlainInfrastructureReason.NO_DEFAULT_BRANCH:
            return "The default branch, whose Terraform module would run, cannot be read"
        case PlainInfrastructureReason.ABANDONED:
            return (
                "An operator abandoned the infrastructure. What Terraform created still exists, without its "
                "state"
            )
