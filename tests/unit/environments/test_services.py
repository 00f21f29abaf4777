"""Nothing that depends on a Service starts before the Service reaches its pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.config.loader import parse_configuration
from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Waiting
from bot.environments.phases.services import GRACE, first_seen, remaining_grace
from bot.environments.phases.workloads import workloads
from bot.environments.policy import Policy
from bot.environments.reasons import ServiceWaiting
from bot.model.environment import EnvironmentState, Phase
from bot.model.manifest import Bundle, Manifest, ServiceState, Wave
from bot.model.release import Release
from bot.model.rollout import Progress, Rollout, RolloutReport, Strategy
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, Harness

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, NONE = timedelta(seconds=1), timedelta()
DATABASE = ServiceState("db", "first", None, (("10.96.0.7", 5432),))
JOBS = CONFIGURATION + (
    "data: {migrate: {image: shop, command: [migrate]}, seed: {image: shop, command: [seed]}}\n"
    "preview: {checks: [{name: smoke, job: {image: shop, command: [smoke]}}]}\n"
)


def named(kind: str, name: str) -> Manifest:
    return {"kind": kind, "metadata": {"name": name}}


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    harness = Harness(store, clock)
    harness.github.configuration = JOBS.partition("preview")[0]
    harness.cluster.waves = {
        Wave.DATA: (named("StatefulSet", "db"), named("Service", "db")),
        Wave.MIGRATIONS: (named("Job", "migrations-1"),),
        Wave.SEED: (named("Job", "seed-1"),),
    }
    yield harness
    await store.close()


async def again(harness: Harness, seconds: float) -> None:
    """One run, this many seconds later."""
    harness.clock.advance(seconds - 20)  # a run of the harness advances the clock by 20
    await harness.again()


def ran(harness: Harness) -> list[str]:
    return [step.removeprefix("run ") for step in harness.cluster.log if step.startswith("run ")]


@pytest.mark.parametrize(
    ("ready_for", "seen_for", "grace"),
    [
        (None, NONE, GRACE),
        (None, SECOND / 4, GRACE - SECOND / 4),
        (None, GRACE, NONE),
        (None, SECOND * 60, NONE),
        (SECOND * 3, NONE, GRACE),
        (SECOND * 59, NONE, GRACE),
        (SECOND * 60, NONE, NONE),
        (SECOND * -30, NONE, GRACE),
    ],
)
def test_grace_depends_on_the_bots_clock_unless_pods_are_long_ready(
    ready_for: timedelta | None, seen_for: timedelta, grace: timedelta
) -> None:
    state = replace(DATABASE, ready_at=None if ready_for is None else NOW - ready_for)
    seen = first_seen({}, [state], NOW - seen_for)
    assert remaining_grace(state, seen, NOW) == grace


def test_grace_starts_again_with_other_pods() -> None:
    seen = first_seen({}, [DATABASE], NOW)
    assert first_seen(seen, [DATABASE], NOW + SECOND) == seen
    replaced = replace(DATABASE, endpoints="second")
    later = first_seen(seen, [replaced], NOW + SECOND)
    assert remaining_grace(replaced, later, NOW + SECOND) == GRACE
    assert len(later) == 1, "the earlier pods are forgotten"
    assert first_seen(seen, [replace(DATABASE, endpoints="")], NOW) == {}


async def test_jobs_wait_for_the_endpoints_then_for_the_grace(harness: Harness) -> None:
    harness.cluster.behind = [replace(DATABASE, endpoints="")]
    await harness.run()
    assert ran(harness) == []
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.attempt.wait is not None
    assert environment.attempt.wait.summary == "Waiting for Service db to reach its pods."

    harness.cluster.behind = [DATABASE]
    await again(harness, 0.25)
    await again(harness, 0.9)
    assert ran(harness) == []
    await again(harness, 0.1)
    assert ran(harness) == ["migrations-1-1", "seed-1-1"]
    assert (await harness.status()).state is EnvironmentState.READY


async def test_service_that_answers_needs_no_grace(harness: Harness) -> None:
    harness.cluster.behind = [DATABASE]
    harness.cluster.answering = {"db"}
    await harness.run()
    assert ran(harness) == ["migrations-1-1", "seed-1-1"]


async def test_every_service_must_answer(harness: Harness) -> None:
    harness.cluster.waves[Wave.DATA] += (named("Service", "cache"),)
    harness.cluster.behind = [DATABASE, replace(DATABASE, name="cache")]
    harness.cluster.answering = {"db"}
    await harness.run()
    assert ran(harness) == []
    harness.cluster.answering |= {"cache"}
    await again(harness, 0.25)
    assert ran(harness) == ["migrations-1-1", "seed-1-1"]


async def test_workloads_wait_for_the_services_of_data(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION
    harness.cluster.waves = {
        Wave.DATA: (named("Service", "db"),),
        Wave.WORKLOADS: (named("Deployment", "web"),),
    }
    harness.cluster.behind = [DATABASE]
    await harness.run()
    assert harness.cluster.applied == 1
    await again(harness, 1)
    assert harness.cluster.applied == 2


async def test_traffic_returns_when_the_services_of_the_stable_revision_lead(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION
    await harness.run()
    await harness.hint()
    [claim] = await harness.store.queue.claim("test", 1, 60)
    context = ReconcileContext(
        harness.ports, Policy(), claim, await harness.environment(), lambda _: harness.ports
    )
    context.configuration = parse_configuration(CONFIGURATION)
    context.bundle = Bundle(Release("c" * 40, {}, ""), {Wave.WORKLOADS: (named("Service", "db"),)})
    report = RolloutReport(Strategy.BLUE_GREEN, (100,), Progress.FINISHING)
    context.update_attempt(replace(context.attempt, rollout=Rollout(report, "gr0123abcd", "token")))
    context.update_status(transitions.phase_restarted(context.status, Phase.WORKLOADS, harness.clock()))
    harness.cluster.behind = [replace(DATABASE, endpoints="")]
    waiting = await workloads(context)
    assert isinstance(waiting, Waiting)
    assert waiting.reason == ServiceWaiting("db")
    harness.cluster.behind, harness.cluster.answering = [DATABASE], {"db"}
    assert isinstance(await workloads(context), Done)


async def test_push_with_unchanged_database_does_not_wait(harness: Harness) -> None:
    harness.cluster.behind = [DATABASE]
    await harness.run()
    await again(harness, 1)
    harness.cluster.behind = [replace(DATABASE, ready_at=harness.clock() - timedelta(minutes=5))]
    harness.cluster.waves[Wave.SEED] = (named("Job", "seed-2"),)
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert ran(harness)[-1] == "seed-2-2"


async def test_ready_environment_is_not_disturbed_by_new_pods(harness: Harness) -> None:
    harness.cluster.behind = [DATABASE]
    await harness.run()
    await again(harness, 1)
    harness.cluster.behind = [replace(DATABASE, endpoints="second")]
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY


async def test_check_job_waits_for_the_services_of_workloads(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + JOBS[JOBS.index("preview") :]
    harness.cluster.waves = {Wave.WORKLOADS: (named("Deployment", "web"), named("Service", "web"))}
    harness.cluster.checks = {"smoke": named("Job", "check-smoke")}
    harness.cluster.behind = [replace(DATABASE, name="web")]
    await harness.run()
    assert harness.cluster.applied == 1
    await again(harness, 0.5)
    assert harness.cluster.applied == 1
    await again(harness, 0.5)
    assert harness.cluster.applied == 2
    assert (await harness.status()).state is EnvironmentState.READY
