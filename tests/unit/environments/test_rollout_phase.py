"""Looks at a step, and the return of traffic, when metrics providers and gateways are unreliable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from bot.config.loader import parse_configuration
from bot.config.rollouts import Canary
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Failed
from bot.environments.phase_runner import PhaseRunner
from bot.environments.phases.analysis import look, policy_of, starting_counts
from bot.environments.policy import Policy
from bot.environments.ports import Fence
from bot.environments.reasons import ChecksFailed
from bot.environments.rollouts.ports import MetricsProviders, RolloutDriver
from bot.model.environment import EnvironmentState
from bot.model.errors import Rejected
from bot.model.manifest import Bundle
from bot.model.release import Release
from bot.model.repository import Repository
from bot.model.rollout import (
    Backend,
    Counts,
    Decision,
    Progress,
    Rollout,
    RolloutReport,
    StepResult,
    Strategy,
)
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, Harness

_REFUSAL = "HTTPRoute/shop was refused: the admission webhook denied the request"


@dataclass
class _Routes:
    """Two Services behind one route."""

    refusal: str = ""
    """Why it refuses every change; "" if it does not."""

    def backends(self, bundle: Bundle) -> Sequence[Backend]:
        return [Backend("shop", 80)]

    def candidate_backends(self, bundle: Bundle, suffix: str) -> Sequence[Backend]:
        return [Backend(f"shop-{suffix}", 80)]

    async def withdraw(self, namespace: str, fence: Fence) -> None:
        await fence()
        if self.refusal:
            raise Rejected(self.refusal)


@dataclass
class _Counters:
    """A metrics provider with two sources, of which some answers lack one."""

    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    """Counters by Service and source."""

    def reader(self, name: str | None, repository: Repository, cluster: str) -> _Counters:
        return self

    async def read(self, namespace: str, backends: Sequence[Backend]) -> Mapping[str, Counts]:
        [backend] = backends
        return {source: Counts(count) for source, count in self.requests[backend.service].items()}


@pytest.fixture
async def context(tmp_path: Path, clock: ManualClock) -> AsyncIterator[ReconcileContext]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    harness = Harness(store, clock)
    await harness.run()
    await harness.hint()
    [claim] = await store.queue.claim("test", 1, 60)
    ports = replace(
        harness.ports,
        rollouts=cast(RolloutDriver, _Routes()),
        metrics=cast(MetricsProviders, _Counters()),
    )
    context = ReconcileContext(ports, Policy(), claim, await harness.environment(), lambda _: ports)
    context.configuration = parse_configuration(CONFIGURATION)
    context.bundle = context.release_bundle = Bundle(Release("c" * 40, {}, ""), {})
    report = RolloutReport(Strategy.CANARY, (5, 100), Progress.STEPPING, 5, results=(StepResult(5, clock()),))
    context.update_attempt(replace(context.attempt, rollout=Rollout(report, "gr0123abcd", "token")))
    yield context
    await store.close()


def test_step_with_long_intervals_is_not_inconclusive_before_its_looks_were_due() -> None:
    criteria = policy_of(Canary.model_validate({"interval": "1h"})).criteria
    assert (criteria.pause_after, criteria.roll_back_after) == (timedelta(hours=5), timedelta(hours=6.75))


async def test_source_that_was_missing_does_not_count_what_was_before_the_step(
    context: ReconcileContext,
) -> None:
    """Such as a gateway's pod that Prometheus could not scrape once."""
    counters, rollout = cast(_Counters, context.ports.metrics), context.attempt.rollout
    assert rollout is not None
    both = {"one": 9_000, "two": 7_000}
    counters.requests = {"shop": both, "shop-gr0123abcd": {"one": 0}}
    rollout = replace(rollout, seen=await starting_counts(context, rollout))
    for answer in ({"one": 9_100}, {"one": 9_200, "two": 7_050}):
        counters.requests = {"shop": answer, "shop-gr0123abcd": {"one": 10}}
        context.ports.clock.advance(60)  # type: ignore[attr-defined]  # a clock of tests
        rollout = (await look(context, rollout, context.ports.clock())).rollout
    assert rollout.counts is not None
    assert (rollout.counts.stable.requests, rollout.counts.candidate.requests) == (250, 10)


async def test_route_that_refuses_to_return_is_reported(context: ReconcileContext) -> None:
    """The promotion then rolls back and applies the routes of the release before."""
    cast(_Routes, context.ports.rollouts).refusal = _REFUSAL
    again = await PhaseRunner().fail(context, Failed(ChecksFailed(("smoke",)), final=True))
    assert context.status.state is EnvironmentState.FAILED
    assert context.status.cause is not None
    assert _REFUSAL in context.status.cause.detail
    assert again is None or again >= context.ports.clock() + timedelta(seconds=1)


async def test_step_that_has_passed_stays_so_when_a_later_one_fails(context: ReconcileContext) -> None:
    """Such as when the candidate does not get the pods for its next share."""
    rollout = context.attempt.rollout
    assert rollout is not None
    passed = StepResult(5, context.ports.clock(), looks=5, decision=Decision.ADVANCE)
    report = replace(rollout.report, progress=Progress.PREPARING, results=(passed,))
    context.update_attempt(replace(context.attempt, rollout=replace(rollout, report=report)))
    await PhaseRunner().fail(context, Failed(ChecksFailed(("smoke",)), final=True))
    rollout = context.attempt.rollout
    assert rollout is not None
    assert rollout.report.progress is Progress.RETURNED
    assert rollout.report.results == (passed,)
