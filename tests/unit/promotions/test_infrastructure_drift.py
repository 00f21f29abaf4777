"""Resources of a stage are compared with what was applied, by a plan that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.environments.ports import Fence
from bot.github.messages.drift import answer_text, issue_body
from bot.infrastructure.drift.handler import DriftHandler, DriftLimits
from bot.infrastructure.drift.inventory import Declared, Live
from bot.infrastructure.drift.ports import SaveDrift
from bot.infrastructure.drift.round import Compared
from bot.model.drift import Comparison, DriftRecord, DriftState
from bot.model.environment import Environment
from bot.model.errors import Unavailable
from bot.model.infrastructure import RunKind
from bot.model.promotion import PromotionState
from bot.model.work import Claim, WorkKey
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.test_infrastructure_plans import PASSWORD, STAGING, Staging

DAY = timedelta(days=1)
_LIMITS = DriftLimits(timedelta(minutes=10), 3, DAY)


class NoObjects:
    """A stage whose objects never differ."""

    async def read(self, claim: Claim, environment: Environment) -> Declared:
        return Declared((), frozenset())

    async def compare(self, namespace: str, declared: Declared, images: Any) -> Compared:
        return Compared(Comparison(), Live((), {}, ()))


@dataclass
class Reports:
    """What was reported, and the results of plans."""

    records: list[DriftRecord] = field(default_factory=list)
    plans: list[DriftState] = field(default_factory=list)

    async def report_drift(self, record: DriftRecord, fence: Fence, save: SaveDrift) -> None:
        self.records.append(record)

    def drift_checked(self, state: DriftState) -> None: ...

    def resources_compared(self, state: DriftState) -> None:
        self.plans.append(state)

    def drift_healed(self, objects: int, *, succeeded: bool) -> None: ...


class Compared24(Staging):
    """A stage that was deployed with infrastructure, whose comparisons run as the queue runs them."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store, clock)
        self.reports = Reports()
        objects: Any = NoObjects()
        ports, drifts = self.environment_ports, self.store.drifts
        compare = DriftHandler(ports, drifts, objects, objects, self.reports, self.reports, _LIMITS)
        self.handlers = {**self.handlers, "drift": compare}

    async def again(self, rounds: int = 1, minutes: float = 10) -> DriftRecord:
        """The record after this many comparisons, each with the plans that follow from it."""
        for _ in range(rounds):
            self.clock.advance(minutes * 60)
            await self.store.queue.enqueue([WorkKey.drift(STAGING)])
            for _ in range(5):
                await self.work(5)
                self.clock.advance(31)
        record = await self.store.drifts.get(STAGING)
        assert record is not None
        return record

    @property
    def comparisons(self) -> int:
        return len([run for run in self.terraform.runs if "compare" in run])


@pytest.fixture
async def stage(sqlite_store: Store, clock: ManualClock) -> Compared24:
    simulation = Compared24(sqlite_store, clock)
    await simulation.begin()
    assert (await simulation.promote("a")).state is PromotionState.SUCCEEDED
    return simulation


async def test_stage_is_unknown_until_the_first_plan_and_planned_once_a_day(stage: Compared24) -> None:
    stage.terraform.running = True
    record = await stage.again()
    assert record.state is DriftState.UNKNOWN
    assert "not planned yet" in record.unreadable[0].problem
    stage.terraform.running = False
    record = await stage.again()
    assert (record.state, record.unreadable, stage.comparisons) == (DriftState.CLEAN, (), 1)
    await stage.again(rounds=3 * 4, minutes=6 * 60)
    assert stage.comparisons in (4, 5), "three days later"
    assert set(stage.reports.plans) == {DriftState.CLEAN}


async def test_changed_resource_is_named_after_two_plans_and_repaired_by_a_deployment(
    stage: Compared24,
) -> None:
    await stage.again()
    stage.terraform.resources = {"database": PASSWORD}
    stage.clock.advance(DAY.total_seconds())
    record = await stage.again()
    assert {(item.object, item.path) for item in record.confirmed} == {("database", "value"), ("queue", "")}
    assert stage.reports.plans == [DriftState.CLEAN, DriftState.CLEAN, DriftState.DRIFTED]
    for text in (issue_body(record), answer_text("staging", record)):
        assert "@@ queue @@\n-the resource" in text
        assert "value not shown" in text
        assert PASSWORD not in text
    assert "`drift: heal` never applies infrastructure" in issue_body(record)
    await stage.store.queue.enqueue([WorkKey.environment(STAGING)])
    await stage.settle()
    assert stage.terraform.resources == {"database": PASSWORD}, "nothing is applied without a deployment"

    assert (await stage.promote("a")).state is PromotionState.SUCCEEDED
    assert set(stage.terraform.resources) == {"database", "queue"}
    record = await stage.again()
    assert (record.state, record.confirmed) == (DriftState.CLEAN, ())


async def test_difference_that_is_gone_in_the_second_plan_does_not_count(stage: Compared24) -> None:
    await stage.again()
    before, stage.terraform.resources = stage.terraform.resources, {}
    stage.clock.advance(DAY.total_seconds())
    start = stage.terraform.start

    async def repaired(*words: Any) -> None:
        await start(*words)
        if stage.comparisons == 3:
            stage.terraform.resources = before

    stage.terraform.start = repaired  # type: ignore[method-assign, assignment]  # a user who repairs it
    record = await stage.again()
    assert (record.state, record.suspected, stage.comparisons) == (DriftState.CLEAN, (), 3)


async def test_failed_plan_is_unknown_hides_secrets_and_is_repeated(stage: Compared24) -> None:
    stage.terraform.resources["password"] = PASSWORD
    stage.terraform.sensitive = {"password"}
    stage.terraform.failing = {RunKind.COMPARE}
    record = await stage.again()
    assert record.state is DriftState.UNKNOWN
    assert "it cannot compare" in record.unreadable[0].problem
    assert PASSWORD not in repr(record)
    stage.terraform.failing = set()
    record = await stage.again()
    assert record.state is DriftState.UNKNOWN, "a failed plan is repeated after an hour"
    record = await stage.again(minutes=60)
    assert record.state is DriftState.CLEAN


async def test_nothing_is_planned_while_the_state_is_locked(stage: Compared24) -> None:
    await stage.again()
    stage.terraform.locked = True
    record = await stage.again(rounds=4, minutes=6 * 60)
    assert (record.state, stage.comparisons) == (DriftState.CLEAN, 1)
    record = await stage.again(rounds=3 * 4, minutes=6 * 60)
    assert record.state is DriftState.UNKNOWN, "the last result is too old"
    assert "locked" in record.unreadable[0].problem


async def test_deployment_ends_a_plan_that_is_under_way(stage: Compared24) -> None:
    stage.set_policy("{infrastructure: {destroy: allow}}")
    stage.terraform.slow = {RunKind.COMPARE, RunKind.APPLY}
    record = await stage.again()
    assert record.resources is not None
    assert record.resources.run
    assert (await stage.promote("b")).state is PromotionState.DEPLOYING
    record = await stage.again()
    assert record.resources is not None
    assert not record.resources.run
    stage.terraform.slow = set()
    await stage.settle()
    assert (await stage.promotion()).state is PromotionState.SUCCEEDED
    record = await stage.again()
    assert (record.state, stage.comparisons) == (DriftState.CLEAN, 2)


async def test_api_server_that_does_not_answer_forgets_no_plan(stage: Compared24) -> None:
    look, failing = stage.terraform.look, True

    async def flaky(*words: Any) -> Any:
        if failing:
            raise Unavailable("The cluster's API server does not respond.")
        return await look(*words)

    stage.terraform.look = flaky  # type: ignore[method-assign, assignment]  # an outage
    record = await stage.again()
    assert record.state is DriftState.UNKNOWN
    failing = False
    record = await stage.again()
    assert (record.state, stage.comparisons) == (DriftState.CLEAN, 1)


async def test_stage_without_infrastructure_has_no_plan(stage: Compared24) -> None:
    environment = await stage.store.environments.get(STAGING)
    assert environment is not None
    await stage.again()
    target = environment.overrides.target
    assert target is not None
    text = target.configuration.replace("infrastructure:", "x-infrastructure:")
    plain = replace(target, configuration=text.split("x-infrastructure:")[0] + "stages: {staging: {}}\n")

    def change(overrides: Any) -> Any:
        return replace(overrides, target=plain)

    await stage.store.environments.update_overrides(STAGING, change, "changed", "dora")
    await stage.settle()
    record = await stage.again()
    assert record.resources is None
    assert record.state is DriftState.CLEAN
