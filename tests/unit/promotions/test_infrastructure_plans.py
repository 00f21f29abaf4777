"""The Terraform plan of a stage is made before a promotion is approved, and is part of what is approved."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.github.messages.promotion import comment
from bot.github.messages.refusals import refusal
from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.infrastructure import RunKind
from bot.model.promotion import Promotion, PromotionState, StageRecord
from bot.promotions.refusals import Refusal
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.terraform import FakeTerraform
from tests.unit.promotions.simulation import RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP

PASSWORD = "correct-horse-battery"
CONFIGURED = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
infrastructure:
  terraform: infra
  outputs: {DATABASE_URL: database}
stages:
  staging: STAGING
"""
WITH_QUEUE = "database = db.example\nqueue = shop-queue"
WITHOUT_QUEUE = "database = db.example"
STAGING = EnvironmentKey.stage(SHOP.id, "staging")


class Staging(PromotionSimulation):
    """One stage with infrastructure. Release a has a queue, release b has none."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.terraform = FakeTerraform()
        super().__init__(store, clock, terraform=self.terraform)
        self.github.modules = {
            RELEASES["a"].commit: WITH_QUEUE,
            RELEASES["b"].commit: WITHOUT_QUEUE,
            RELEASES["f"].commit: WITH_QUEUE,
        }
        self.set_policy("{}")

    def set_policy(self, section: str) -> None:
        self.configure(CONFIGURED.replace("STAGING", section))

    async def settle(self) -> None:
        for _ in range(14):
            await self.work(20)
            self.clock.advance(20)

    async def promote(self, commit: str, by: str = "dora") -> Promotion:
        """Requests a promotion of the head and works until nothing is due soon."""
        self.github.pushed = commit
        await self.command("promote", "staging", by, commit)
        await self.settle()
        return await self.promotion()

    async def approve(self, by: str, name: str = "") -> None:
        written = self.clock() + timedelta(seconds=1)
        await self.service.approve(self.requester(by), "staging", written, name)
        await self.settle()

    async def promotion(self) -> Promotion:
        """The last one."""
        return (await self.store.promotions.find(SHOP.id))[0]

    async def record(self) -> StageRecord:
        [record] = await self.store.promotions.stages(SHOP.id)
        return record


@pytest.fixture
async def staging(sqlite_store: Store, clock: ManualClock) -> Staging:
    simulation = Staging(sqlite_store, clock)
    await simulation.begin()
    return simulation


async def test_plan_is_shown_before_the_approval_and_applied_after_it(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    promotion = await staging.promote("a")
    assert promotion.state is PromotionState.AWAITING_APPROVAL
    assert "2 to add, 0 to change, 0 to destroy; it creates `database`, `queue`." in comment(promotion)
    assert staging.terraform.resources == {}
    assert await staging.store.environments.get(STAGING) is None, "the stage is unchanged"
    await staging.approve("bea")
    promotion = await staging.promotion()
    assert promotion.state is PromotionState.SUCCEEDED
    assert set(staging.terraform.resources) == {"database", "queue"}
    assert staging.terraform.promotions == set(), "what the plan left is deleted"


async def test_changed_plan_voids_approvals(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 2}}")
    promotion = await staging.promote("a")
    await staging.approve("bea")
    # Another module for the same commit stands for all that changes a plan, such as a rotated secret.
    staging.github.modules[RELEASES["a"].commit] = WITH_QUEUE + "\ntopic = shop-topic"
    staging.clock.advance(60)
    await staging.settle()
    await staging.approve("cem")
    promotion = await staging.promotion()
    assert promotion.state is PromotionState.AWAITING_APPROVAL
    assert "1 given" in " ".join(promotion.missing)
    assert "a new approval is required" in comment(promotion)
    await staging.approve("bea")
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED
    assert "topic" in staging.terraform.resources


async def test_approval_that_names_another_plan_is_refused(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    promotion = await staging.promote("a")
    assert promotion.plan is not None
    with pytest.raises(Refusal):
        await staging.approve("bea", "0123456789ab")
    await staging.approve("bea", promotion.plan.id)
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED


async def test_plan_that_destroys_waits_for_an_approval_of_another_person(staging: Staging) -> None:
    assert (await staging.promote("a")).state is PromotionState.SUCCEEDED, "it needs no approval"
    promotion = await staging.promote("b")
    assert promotion.state is PromotionState.AWAITING_APPROVAL
    shown = comment(promotion)
    assert "destroys `queue`" in shown
    assert "It destroys or replaces resources, so it needs an approval." in shown
    assert promotion.plan is not None
    assert f"/approve staging {promotion.plan.id}" in shown
    for person, reason in (("dora", "requester"), ("ada", "author")):
        with pytest.raises(Refusal) as refused:
            await staging.approve(person)
        assert reason in refusal(refused.value.reason)
    assert "queue" in staging.terraform.resources
    await staging.approve("bea")
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED
    assert "queue" not in staging.terraform.resources


async def test_rollback_plans_the_earlier_module_and_waits_where_it_destroys(staging: Staging) -> None:
    staging.set_policy("{infrastructure: {destroy: allow}}")
    assert (await staging.promote("b")).state is PromotionState.SUCCEEDED
    staging.set_policy("{}")
    assert (await staging.promote("a")).state is PromotionState.SUCCEEDED
    before = await staging.record()
    assert before.verified[0].target.release == RELEASES["b"]

    # The configuration of the verified target decides: there, a plan that destroys is allowed.
    await staging.command("rollback", "staging", "dora", "a")
    await staging.settle()
    assert (await staging.promotion()).state is PromotionState.ROLLED_BACK
    assert "queue" not in staging.terraform.resources


async def test_destructive_plan_of_a_rollback_is_approved_by_a_comment(staging: Staging) -> None:
    assert (await staging.promote("b")).state is PromotionState.SUCCEEDED
    assert (await staging.promote("a")).state is PromotionState.SUCCEEDED
    await staging.command("rollback", "staging", "dora", "a")
    await staging.settle()
    promotion = await staging.promotion()
    assert promotion.state is PromotionState.ROLLING_BACK
    assert "queue" in staging.terraform.resources
    assert "destroys `queue`" in comment(promotion)
    with pytest.raises(Refusal):
        await staging.approve("dora")
    await staging.approve("bea")
    assert (await staging.promotion()).state is PromotionState.ROLLED_BACK
    assert "queue" not in staging.terraform.resources


async def test_plan_that_changed_after_its_approval_is_not_applied(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    await staging.promote("a")
    staging.terraform.running = True
    await staging.approve("bea")
    staging.terraform.resources = {"database": "changed by hand"}
    staging.terraform.running = False
    await staging.settle()
    promotion = await staging.promotion()
    assert promotion.state is PromotionState.DEPLOYING
    assert "is not the approved one" in promotion.waiting_for
    assert staging.terraform.resources == {"database": "changed by hand"}
    await staging.approve("cem")
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED
    assert staging.terraform.resources["database"] == "db.example"


async def test_plan_that_fails_rejects_without_secrets(staging: Staging) -> None:
    staging.terraform.resources = {"password": PASSWORD}
    staging.terraform.sensitive = {"password"}
    staging.terraform.failing = {RunKind.PLAN}
    promotion = await staging.promote("a")
    assert promotion.state is PromotionState.REJECTED
    shown = comment(promotion)
    assert "Terraform cannot plan the release" in shown
    assert "it cannot plan" in shown
    assert PASSWORD not in shown
    assert staging.terraform.promotions == set()
    assert await staging.store.environments.get(STAGING) is None


async def test_refused_destruction_rejects_before_anything_changes(staging: Staging) -> None:
    await staging.promote("a")
    staging.set_policy("{infrastructure: {destroy: refuse}}")
    promotion = await staging.promote("b")
    assert promotion.state is PromotionState.REJECTED
    assert "`infrastructure.destroy: refuse` forbids" in comment(promotion)
    environment = await staging.store.environments.get(STAGING)
    assert environment is not None
    assert environment.status.state is EnvironmentState.READY


async def test_module_runs_only_after_the_other_requirements_are_met(staging: Staging) -> None:
    """Planning runs code of the release with the operator's credentials."""
    staging.set_policy("{required: {checks: [build]}}")
    promotion = await staging.promote("a")
    assert promotion.state is PromotionState.GATING
    assert staging.terraform.runs == []
    assert "The Terraform plan waits until the other requirements are met" in comment(promotion)
    staging.github.ci_states = {"build": CiState.PASSED}
    staging.clock.advance(60)
    await staging.settle()
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED


@pytest.mark.parametrize("section", ["{required: {reviews: 1}}", "{protected: true}"])
async def test_release_without_reviews_is_not_planned_where_they_are_required(
    staging: Staging, section: str
) -> None:
    staging.github.reviewed_on = 99
    staging.set_policy(section)
    assert (await staging.promote("a")).state is PromotionState.REJECTED
    assert staging.terraform.runs == []


async def test_release_of_a_fork_is_never_planned(staging: Staging) -> None:
    promotion = await staging.promote("f")
    assert promotion.state is PromotionState.REJECTED
    assert "has infrastructure" in comment(promotion)
    assert staging.terraform.runs == []


async def test_promotion_that_ends_leaves_nothing(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    await staging.promote("a")
    assert staging.terraform.exists
    await staging.command("reject", "staging", "bea", "a")
    await staging.settle()
    assert not staging.terraform.exists, "the stage never had infrastructure"


async def test_outage_of_the_cluster_does_not_delay_the_result(staging: Staging) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    await staging.promote("a")
    staging.terraform.unreachable = True
    await staging.command("reject", "staging", "bea", "a")
    await staging.settle()
    assert staging.github.reports[-1] == PromotionState.REJECTED
    assert staging.terraform.exists, "it is deleted when the cluster responds again"
    staging.terraform.unreachable = False
    await staging.settle()
    assert not staging.terraform.exists


@pytest.mark.parametrize("steps", range(1, 12, 2))
async def test_killed_worker_plans_once_and_applies_what_was_approved(staging: Staging, steps: int) -> None:
    staging.set_policy("{approvals: {count: 1}}")
    await staging.command("promote", "staging", "dora", "a")
    await staging.kill_after(steps)
    await staging.settle()
    assert (await staging.promotion()).state is PromotionState.AWAITING_APPROVAL
    await staging.approve("bea")
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED
    assert len([run for run in staging.terraform.runs if "apply" in run]) == 1
