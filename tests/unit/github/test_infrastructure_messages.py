"""Sentences about infrastructure: resources by address, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.environments.infrastructure.reasons import (
    DestroyFailed,
    InfrastructureApplied,
    InfrastructureFailed,
    InfrastructurePlanned,
    InfrastructureRunning,
    OutputsUnusable,
    PlainInfrastructureReason,
    PlanNeedsApproval,
    PlanRefused,
)
from bot.environments.reasons import EnvironmentReason
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import RunKind
from bot.model.plan import PlanSummary

MIXED = PlanSummary(created=("a.new",), updated=("a.size",), replaced=("a.zone",), destroyed=("a.old",))
STAGING = EnvironmentKey.stage(7, "staging")


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            InfrastructurePlanned(MIXED),
            "Terraform planned: 2 to add, 1 to change, 2 to destroy; it creates `a.new`, changes `a.size`, "
            "replaces `a.zone`, destroys `a.old`.",
        ),
        (InfrastructureApplied(PlanSummary()), "Infrastructure: no changes."),
        (InfrastructureApplied(PlanSummary(outputs=True)), "Infrastructure: only outputs change."),
        (
            InfrastructureApplied(PlanSummary(created=tuple(f"a.a{number}" for number in range(12)))),
            "Infrastructure: 12 to add, 0 to change, 0 to destroy; it creates `a.a0`, `a.a1`, "
            "`a.a10`, `a.a11`, `a.a2`, `a.a3`, `a.a4`, `a.a5`, `a.a6`, `a.a7`, 2 more.",
        ),
        (
            InfrastructureRunning(RunKind.APPLY, "it is running"),
            "Waiting for Terraform (apply): it is running.",
        ),
        (
            InfrastructureFailed(RunKind.APPLY, "exit code 1"),
            "Terraform failed to apply the plan: exit code 1. What it already created remains. Fix the "
            "cause, then push or use `/preview refresh`.",
        ),
        (InfrastructureFailed(RunKind.PLAN, "exit code 1"), "Terraform failed (plan): exit code 1."),
        (
            PlanNeedsApproval(STAGING, "0123456789ab", MIXED),
            "The Terraform plan destroys or replaces `a.old`, `a.zone` (2 to add, 1 to change, 2 to "
            "destroy). Approve it with `/approve staging 0123456789ab`, or as an operator with "
            "`greenroom env approve-plan stage/7/staging 0123456789ab`.",
        ),
        (
            PlanNeedsApproval(STAGING, "0123456789ab", PlanSummary(created=("a.new",)), changed=True),
            "The Terraform plan is not the approved one: 1 to add, 0 to change, 0 to destroy; it creates "
            "`a.new`. Approve it with `/approve staging 0123456789ab`, or as an operator with "
            "`greenroom env approve-plan stage/7/staging 0123456789ab`.",
        ),
        (
            PlanRefused(MIXED),
            "The Terraform plan destroys or replaces `a.old`, `a.zone`, which "
            "`infrastructure.destroy: refuse` forbids.",
        ),
        (OutputsUnusable(("url",), ()), "The Terraform module has no output `url`."),
        (OutputsUnusable((), ("PIN",)), "The sensitive output for `PIN` is too short to be hidden."),
        (
            DestroyFailed(STAGING, 3, "exit code 1", datetime(2026, 3, 4, 12, tzinfo=UTC)),
            "Terraform failed to destroy the infrastructure (3 times in a row): exit code 1. Nothing is "
            "deleted until it succeeds. The next attempt is at 04 March, 12:00 UTC. An operator can end "
            "the retries with "
            "`greenroom env abandon stage/7/staging`.",
        ),
        (
            PlainInfrastructureReason.NOT_OFFERED,
            "Not started: this environment has infrastructure, but Terraform is not enabled. The operator "
            "can enable it with `GREENROOM_TERRAFORM_IMAGE`.",
        ),
    ],
)
def test_sentences(reason: EnvironmentReason, sentence: str) -> None:
    assert describe(reason) == sentence
