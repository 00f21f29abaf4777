"""Data are seeded once per seed, kept or reset by a push, and a reset always completes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.schema import OnPush
from bot.environments.phases.data import reset_reason
from bot.model.data import DataRecord
from bot.model.environment import CheckState, EnvironmentState
from bot.model.errors import Rejected
from bot.model.manifest import Condition, Manifest, ObjectState, Wave
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, DIGEST, Harness

SEEDED = CONFIGURATION + "data: {seed: {image: shop, command: [seed]}}\n"
MIGRATED = CONFIGURATION + "data: {migrate: {image: shop, command: [migrate]}}\n"
RESET = SEEDED.replace("data: {", "data: {on_push: reset, ")
FIRST, SECOND = "a" * 40, "b" * 40


def job(name: str) -> Manifest:
    return {"kind": "Job", "metadata": {"name": name}}


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = Harness(store, clock)
    harness.github.configuration = SEEDED
    harness.cluster.waves = {Wave.SEED: (job("seed-1"),)}
    yield harness
    await store.close()


async def reseed(harness: Harness) -> None:
    await harness.store.environments.update_overrides(
        harness.key, lambda overrides: replace(overrides, reseeds=overrides.reseeds + 1), "reseed", "ada"
    )


def ran(harness: Harness) -> list[str]:
    return [step.removeprefix("run ") for step in harness.cluster.log if step.startswith("run ")]


def shown(harness: Harness) -> str:
    cause = harness.github.reported[-1].cause
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
def test_reset_needs_a_reseed_or_a_push_with_reset(
    reseeds: int, on_push: OnPush, commit: str, reset: bool
) -> None:
    assert (reset_reason(DataRecord(0, FIRST), reseeds, on_push, commit) is not None) is reset


async def test_seed_runs_once_per_content(harness: Harness) -> None:
    await harness.run()
    harness.pull(head_sha=SECOND)
    await harness.run()
    assert ran(harness) == ["seed-1-1"]

    harness.pull(head_sha="c" * 40)
    harness.cluster.waves = {Wave.SEED: (job("seed-2"),)}
    await harness.run()
    assert ran(harness) == ["seed-1-1", "seed-2-2"]

    harness.pull(head_sha=FIRST)
    harness.cluster.waves = {Wave.SEED: (job("seed-1"),)}
    await harness.run()
    assert ran(harness) == ["seed-1-1", "seed-2-2", "seed-1-3"], "the data hold the other seed"
    assert "reset" not in harness.cluster.log


async def test_seed_is_not_repeated_after_loss_of_the_store(harness: Harness, tmp_path: Path) -> None:
    await harness.run()
    record = harness.cluster.record
    store = await new_store(tmp_path / "other.db", harness.clock)
    other = Harness(store, harness.clock, harness.cluster)
    other.github.configuration = SEEDED
    await other.run()
    assert ran(harness) == ["seed-1-1"]
    assert harness.cluster.record == record
    await store.close()


async def test_reset_on_push_resets_once_per_commit(harness: Harness) -> None:
    harness.github.configuration = RESET
    await harness.run()
    await harness.run()
    assert "reset" not in harness.cluster.log
    harness.pull(head_sha=SECOND)
    await harness.run()
    await harness.again()
    assert harness.cluster.log.count("reset") == 1
    assert ran(harness) == ["seed-1-1", "seed-1-2"]
    first, second = (request.resets for request in harness.cluster.rendered)
    assert first != second, "users of the data restart with it"


async def test_reseed_resets_and_is_reported(harness: Harness) -> None:
    await harness.run()
    harness.cluster.stuck = ["PersistentVolumeClaim data-db-0"]
    await reseed(harness)
    await harness.again()
    assert harness.github.reported[-1].state is EnvironmentState.PENDING
    assert shown(harness).startswith("The data is reset and seeded again, as requested by `/reseed`.")
    assert harness.github.reported[-1].url is None
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.attempt.wait is not None
    assert "PersistentVolumeClaim data-db-0" in environment.attempt.wait.summary
    assert ran(harness) == ["seed-1-1"], "nothing is created before everything is deleted"

    await harness.again()
    assert harness.github.reported[-1].state is EnvironmentState.READY
    assert ran(harness) == ["seed-1-1", "seed-1-2"]
    await harness.again()
    await harness.run()
    assert harness.cluster.log.count("reset") == 2, "once while stuck, once to verify the deletion"
    assert [action for action, _ in await harness.journal()] == [
        "opened", "seeded", "ready", "asked", "resetting", "seeded", "ready",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", range(1, 8))
async def test_killed_reset_is_completed_and_seeded_once(harness: Harness, steps: int) -> None:
    await harness.run()
    harness.cluster.log.clear()
    harness.cluster.stuck = ["PersistentVolumeClaim data-db-0"]
    harness.cluster.steps_left = steps
    await reseed(harness)
    try:
        await harness.again()
        await harness.again()
    except asyncio.CancelledError:
        harness.clock.advance(120)
    await harness.again()
    await harness.again()
    record = harness.cluster.record
    assert record is not None
    assert (record.reseeds, record.resetting, record.seed.done) == (1, False, True)
    assert set(ran(harness)) == {"seed-1-2"}
    assert harness.github.reported[-1].state is EnvironmentState.READY
    resets = [index for index, step in enumerate(harness.cluster.log) if step == "reset"]
    assert max(resets) < harness.cluster.log.index("run seed-1-2"), "new data is never deleted"


async def test_failed_seed_is_reported_and_retried_by_a_push(harness: Harness) -> None:
    failure = ObjectState("Job", "seed-1-1", Condition.FAILED, "it ended with exit code 1", "no cents")
    harness.cluster.states["seed-1-1"] = failure
    await harness.run()
    assert harness.github.reported[-1].state is EnvironmentState.FAILED
    assert shown(harness) == "The seed `seed` failed: it ended with exit code 1.\nno cents"
    assert harness.github.reported[-1].notes == (
        "Push a fix, or run the seed again on empty data with `/reseed`.",
    )
    await harness.run()
    assert ran(harness) == ["seed-1-1"], "another run starts no new attempt"

    harness.pull(head_sha=SECOND)
    await harness.run()
    assert ran(harness) == ["seed-1-1", "seed-1-2"]
    assert harness.github.reported[-1].state is EnvironmentState.READY
    assert harness.github.reported[-1].notes == ()


async def test_failed_seed_on_kept_data_has_advice(harness: Harness) -> None:
    await harness.run()
    harness.pull(head_sha=SECOND)
    harness.cluster.waves = {Wave.SEED: (job("seed-2"),)}
    harness.cluster.states["seed-2-2"] = ObjectState("Job", "seed-2-2", Condition.FAILED, "it ended")
    await harness.run()
    assert harness.github.reported[-1].notes == (
        "The seed ran on existing data. A seed that cannot run twice needs `data.on_push: reset`.",
    )


async def test_failed_migrations_stop_before_workloads(harness: Harness) -> None:
    harness.github.configuration = MIGRATED
    harness.cluster.waves = {Wave.MIGRATIONS: (job("migrations-1"),), Wave.WORKLOADS: (job("web"),)}
    await harness.run()
    [check] = harness.github.reported[-1].checks
    assert (check.name, check.state, check.summary) == (
        "migrations",
        CheckState.PASSED,
        "`migrate` ran on new data.",
    )

    harness.pull(head_sha=SECOND)
    await harness.run()
    [check] = harness.github.reported[-1].checks
    assert check.summary == "The same migrations ran on this data before."

    harness.pull(head_sha="c" * 40)
    harness.cluster.waves = {Wave.MIGRATIONS: (job("migrations-2"),), Wave.WORKLOADS: (job("web"),)}
    harness.cluster.states["migrations-2-2"] = ObjectState(
        "Job", "migrations-2-2", Condition.FAILED, "it ended with exit code 1", "null values"
    )
    applied = harness.cluster.applied
    await harness.run()
    [check] = harness.github.reported[-1].checks
    assert (check.state, check.detail) == (CheckState.FAILED, "null values")
    assert harness.github.reported[-1].state is EnvironmentState.FAILED
    assert harness.github.reported[-1].live_commit == SECOND
    assert shown(harness) == "The migrations `migrate` failed: it ended with exit code 1.\nnull values"
    assert harness.cluster.applied == applied, "no workload was replaced"


SHOP_IMAGE, POSTGRES = f"acme/shop@{DIGEST}", "docker.io/library/postgres:17"


def deletions(harness: Harness) -> list[str]:
    return [step for step in harness.cluster.log if step == "reset" or step.endswith("resetting")]


async def test_data_stays_until_the_new_data_can_be_made(harness: Harness) -> None:
    await harness.run()
    url = (await harness.status()).url
    harness.cluster.images = (SHOP_IMAGE, POSTGRES)
    harness.cluster.missing = ("Secret db",)
    harness.registry.deleted = {SHOP_IMAGE, POSTGRES}
    await reseed(harness)
    await harness.again()
    assert deletions(harness) == []
    shown_status = harness.github.reported[-1]
    assert shown_status.state is EnvironmentState.WAITING
    assert shown(harness).strip() == (
        "The data is kept until what makes the new data exists: "
        f"Secret db, image {SHOP_IMAGE}, image {POSTGRES}."
    )
    assert shown_status.url == url, "the preview still runs"
    reports = len(harness.github.reported)
    await harness.again()
    assert len(harness.github.reported) == reports, "nothing new"

    harness.cluster.missing, harness.registry.deleted = (), set()
    await harness.again()
    assert deletions(harness) == ["record 0 resetting", "reset"]
    assert harness.github.reported[-1].state is EnvironmentState.READY


async def test_data_stays_if_the_cluster_refuses_the_new_objects(harness: Harness) -> None:
    await harness.run()
    harness.cluster.refused = Rejected("Kubernetes refused Job/seed: no such field")
    await reseed(harness)
    await harness.again()
    assert deletions(harness) == []
    assert harness.github.reported[-1].state is EnvironmentState.FAILED
    assert harness.github.reported[-1].notes == ("The data was kept: the reset did not begin.",)


@pytest.mark.parametrize(("unreadable", "reset"), [(SHOP_IMAGE, False), (POSTGRES, True)])
async def test_only_registries_of_the_release_must_be_readable(
    harness: Harness, unreadable: str, reset: bool
) -> None:
    await harness.run()
    harness.cluster.images = (SHOP_IMAGE, POSTGRES)
    harness.registry.unreadable = {unreadable}
    await reseed(harness)
    await harness.again()
    assert bool(deletions(harness)) is reset


async def test_failed_job_shows_how_often_it_was_tried(harness: Harness) -> None:
    failure = ObjectState("Job", "seed-1-1", Condition.FAILED, "exit code 1", "no cents", attempts=3)
    harness.cluster.states["seed-1-1"] = failure
    await harness.run()
    assert shown(harness) == "The seed `seed` failed: exit code 1 (3 attempts).\nno cents"
