"""What becomes of the data: seeded once for each content, kept or reset by a push, never half reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.configuration import OnPush
from bot.environments.phases.data import why_reset
from bot.model.data import DataRecord
from bot.model.environment import CheckState, EnvironmentState
from bot.model.manifest import Condition, Manifest, ObjectState, Wave
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.peers import CONFIGURATION, Bench

SEEDED = CONFIGURATION + "data: {seed: {image: shop, command: [seed]}}\n"
MIGRATED = CONFIGURATION + "data: {migrate: {image: shop, command: [migrate]}}\n"
RESET = SEEDED.replace("data: {", "data: {on_push: reset, ")
FIRST, SECOND = "a" * 40, "b" * 40


def job(name: str) -> Manifest:
    return {"kind": "Job", "metadata": {"name": name}}


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    bench = Bench(store, clock)
    bench.github.configuration = SEEDED
    bench.cluster.waves = {Wave.SEED: (job("seed-1"),)}
    yield bench
    await store.close()


async def reseed(bench: Bench) -> None:
    await bench.store.environments.wish(
        bench.key, lambda wishes: replace(wishes, reseeds=wishes.reseeds + 1), "reseed", "ada"
    )


def ran(bench: Bench) -> list[str]:
    return [step.removeprefix("run ") for step in bench.cluster.log if step.startswith("run ")]


def told(bench: Bench) -> str:
    cause = bench.github.told[-1].cause
    return f"{cause.summary}\n{cause.detail}" if cause else ""


@pytest.mark.parametrize(
    ("reseeds", "on_push", "commit", "reset"),
    [
        (0, OnPush.KEEP, FIRST, False),
        (0, OnPush.KEEP, SECOND, False),
        (0, OnPush.RESET, FIRST, False),
        (0, OnPush.RESET, SECOND, True),
        (1, OnPush.KEEP, FIRST, True),
    ],
)
def test_data_stays_unless_somebody_said_otherwise(
    reseeds: int, on_push: OnPush, commit: str, reset: bool
) -> None:
    assert (why_reset(DataRecord(0, FIRST), reseeds, on_push, commit) is not None) is reset


async def test_a_seed_runs_once_for_each_content(bench: Bench) -> None:
    await bench.run()
    bench.pull(head_sha=SECOND)
    await bench.run()
    assert ran(bench) == ["seed-1-1"]

    bench.pull(head_sha="c" * 40)
    bench.cluster.waves = {Wave.SEED: (job("seed-2"),)}
    await bench.run()
    assert ran(bench) == ["seed-1-1", "seed-2-2"]

    bench.pull(head_sha=FIRST)
    bench.cluster.waves = {Wave.SEED: (job("seed-1"),)}
    await bench.run()
    assert ran(bench) == ["seed-1-1", "seed-2-2", "seed-1-3"], "what the data hold now is the other seed"
    assert "reset" not in bench.cluster.log


async def test_what_was_done_is_known_although_the_store_was_lost(bench: Bench, tmp_path: Path) -> None:
    await bench.run()
    record = bench.cluster.record
    store = await Store.open(f"sqlite:///{tmp_path / 'other.db'}", bench.clock)
    await store.migrate()
    other = Bench(store, bench.clock, bench.cluster)
    other.github.configuration = SEEDED
    await other.run()
    assert ran(bench) == ["seed-1-1"]
    assert bench.cluster.record == record
    await store.close()


async def test_reset_on_push_starts_over_with_each_commit_and_only_then(bench: Bench) -> None:
    bench.github.configuration = RESET
    await bench.run()
    await bench.run()
    assert "reset" not in bench.cluster.log
    bench.pull(head_sha=SECOND)
    await bench.run()
    await bench.again()
    assert bench.cluster.log.count("reset") == 1
    assert ran(bench) == ["seed-1-1", "seed-1-2"]
    first, second = (request.resets for request in bench.cluster.rendered)
    assert first != second, "what uses the data starts anew with it"


async def test_reseed_resets_tells_it_and_is_ready_again(bench: Bench) -> None:
    await bench.run()
    bench.cluster.stuck = ["PersistentVolumeClaim data-db-0"]
    await reseed(bench)
    await bench.again()
    assert bench.github.told[-1].state is EnvironmentState.PENDING
    assert told(bench).startswith("Its data is reset and seeded anew, as `/reseed` asked.")
    assert bench.github.told[-1].url is None
    environment = await bench.store.environments.get(bench.key)
    assert environment is not None
    assert environment.attempt.wait is not None
    assert "PersistentVolumeClaim data-db-0" in environment.attempt.wait.summary
    assert ran(bench) == ["seed-1-1"], "nothing is made before everything is gone"

    await bench.again()
    assert bench.github.told[-1].state is EnvironmentState.READY
    assert ran(bench) == ["seed-1-1", "seed-1-2"]
    await bench.again()
    await bench.run()
    assert bench.cluster.log.count("reset") == 2, "once while it was stuck, once to see that all is gone"
    assert [what for what, _ in await bench.journal()] == [
        "opened", "seeded", "ready", "asked", "resetting", "seeded", "ready",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", range(1, 8))
async def test_killed_anywhere_in_a_reset_it_is_finished_and_seeded_once(bench: Bench, steps: int) -> None:
    await bench.run()
    bench.cluster.log.clear()
    bench.cluster.stuck = ["PersistentVolumeClaim data-db-0"]
    bench.cluster.steps_left = steps
    await reseed(bench)
    try:
        await bench.again()
        await bench.again()
    except asyncio.CancelledError:
        bench.clock.advance(120)
    await bench.again()
    await bench.again()
    record = bench.cluster.record
    assert record is not None
    assert (record.reseeds, record.resetting, record.seed.done) == (1, False, True)
    assert set(ran(bench)) == {"seed-1-2"}
    assert bench.github.told[-1].state is EnvironmentState.READY
    resets = [index for index, each in enumerate(bench.cluster.log) if each == "reset"]
    assert max(resets) < bench.cluster.log.index("run seed-1-2"), "new data is never deleted"


async def test_a_failing_seed_says_why_and_the_next_attempt_tries_again(bench: Bench) -> None:
    failure = ObjectState("Job", "seed-1-1", Condition.FAILED, "it ended with exit code 1", "no cents")
    bench.cluster.states["seed-1-1"] = failure
    await bench.run()
    assert bench.github.told[-1].state is EnvironmentState.FAILED
    assert told(bench) == "The seed `seed` failed: it ended with exit code 1.\nno cents"
    assert bench.github.told[-1].notes == (
        "Mend it and push, or let it run again on empty data with `/reseed`.",
    )
    await bench.run()
    assert ran(bench) == ["seed-1-1"], "looking again is no new attempt"

    bench.pull(head_sha=SECOND)
    await bench.run()
    assert ran(bench) == ["seed-1-1", "seed-1-2"]
    assert bench.github.told[-1].state is EnvironmentState.READY
    assert bench.github.told[-1].notes == ()


async def test_a_seed_that_fails_over_kept_data_is_told_what_to_do(bench: Bench) -> None:
    await bench.run()
    bench.pull(head_sha=SECOND)
    bench.cluster.waves = {Wave.SEED: (job("seed-2"),)}
    bench.cluster.states["seed-2-2"] = ObjectState("Job", "seed-2-2", Condition.FAILED, "it ended")
    await bench.run()
    assert bench.github.told[-1].notes == (
        "It ran over data that was there: one that cannot run twice needs `data.on_push: reset`.",
    )


async def test_migrations_are_a_check_and_stop_the_preview_before_its_workloads(bench: Bench) -> None:
    bench.github.configuration = MIGRATED
    bench.cluster.waves = {Wave.MIGRATIONS: (job("migrations-1"),), Wave.WORKLOADS: (job("web"),)}
    await bench.run()
    [check] = bench.github.told[-1].checks
    assert (check.name, check.state, check.summary) == (
        "migrations",
        CheckState.PASSED,
        "`migrate` ran on new data.",
    )

    bench.pull(head_sha=SECOND)
    await bench.run()
    [check] = bench.github.told[-1].checks
    assert check.summary == "The same migrations ran on this data before."

    bench.pull(head_sha="c" * 40)
    bench.cluster.waves = {Wave.MIGRATIONS: (job("migrations-2"),), Wave.WORKLOADS: (job("web"),)}
    bench.cluster.states["migrations-2-2"] = ObjectState(
        "Job", "migrations-2-2", Condition.FAILED, "it ended with exit code 1", "null values"
    )
    applied = bench.cluster.applied
    await bench.run()
    [check] = bench.github.told[-1].checks
    assert (check.state, check.detail) == (CheckState.FAILED, "null values")
    assert bench.github.told[-1].state is EnvironmentState.FAILED
    assert bench.github.told[-1].live_commit == SECOND
    assert told(bench) == "The migrations `migrate` failed: it ended with exit code 1.\nnull values"
    assert bench.cluster.applied == applied, "no workload was replaced"
