"""The reconcile applies overrides that users set by command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.environment import EndReason, EnvironmentState
from bot.model.manifest import NamespaceState
from bot.model.quota import Admission
from bot.model.role import Role
from bot.model.sleep import Sleep
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import Harness

FORK = {"head_repository_id": 8, "head_owner": "mallory", "author": "mallory"}


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Harness(store, clock)
    await store.close()


async def test_destroyed_preview_stays_deleted_until_requested(harness: Harness) -> None:
    await harness.run()
    await harness.override(destroyed_by="ada")
    await harness.again()
    status = await harness.status()
    assert (status.state, status.end) == (EnvironmentState.GONE, EndReason.DESTROYED)
    assert harness.cluster.state is NamespaceState.ABSENT
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.GONE
    await harness.override(destroyed_by=None)
    assert (await harness.status()).state is EnvironmentState.READY


async def test_sleeping_preview_runs_nothing_until_woken(harness: Harness) -> None:
    await harness.run()
    harness.github.reported.clear()
    before = await harness.status()
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    status = await harness.status()
    assert (status.state, status.url) == (EnvironmentState.ASLEEP, None)
    assert "Put to sleep by `ada`" in (status.cause.summary if status.cause else "")
    assert [status.state for status in harness.github.reported] == [EnvironmentState.ASLEEP] * len(
        harness.github.reported
    )
    assert harness.cluster.rendered[-1].asleep
    assert harness.cluster.state is NamespaceState.OURS
    assert harness.cluster.changes.count("stop") == 1
    await harness.again()
    assert (await harness.status()).state is EnvironmentState.ASLEEP
    harness.clock.advance(3600)
    await harness.override(sleep=None)
    status = await harness.status()
    assert (status.state, status.live_commit) == (EnvironmentState.READY, "a" * 40)
    assert status.expires_at == before.expires_at, "sleep does not prolong the time to live"


async def test_push_wakes_a_sleeping_preview(harness: Harness) -> None:
    await harness.run()
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    harness.pull(head_sha="b" * 40)
    await harness.run()
    status = await harness.status()
    assert (status.state, status.live_commit) == (EnvironmentState.READY, "b" * 40)


async def test_sleeping_preview_expires(harness: Harness) -> None:
    await harness.run()
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    harness.clock.advance(timedelta(days=4).total_seconds())
    await harness.again()
    assert (await harness.status()).end is EndReason.EXPIRED
    assert harness.cluster.state is NamespaceState.ABSENT


async def test_sleeping_preview_leaves_its_slot_to_another_one(harness: Harness) -> None:
    await harness.run()
    assert (await harness.environment()).admission is Admission.ADMITTED
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    assert (await harness.environment()).admission is Admission.NONE
    await harness.override(sleep=None)
    assert (await harness.environment()).admission is Admission.ADMITTED


async def test_refresh_repeats_all_phases_with_the_same_images(harness: Harness) -> None:
    await harness.run()
    before = await harness.status()
    harness.registry.digest = "sha256:" + "2" * 64
    await harness.override(refreshes=1)
    after = await harness.status()
    assert after.state is EnvironmentState.READY
    assert after.images == before.images
    assert all(after.phases[phase].started_at > before.phases[phase].started_at for phase in after.phases)
    assert harness.cluster.rendered[-1].refreshes == 1
    rendered = len(harness.cluster.rendered)
    await harness.run()
    assert len(harness.cluster.rendered) == rendered


async def test_expired_preview_is_restored_with_a_full_ttl(harness: Harness) -> None:
    await harness.run()
    harness.clock.advance(timedelta(days=4).total_seconds())
    await harness.run()
    await harness.again()
    assert (await harness.status()).end is EndReason.EXPIRED
    await harness.override(refreshes=1)
    status = await harness.status()
    assert status.state is EnvironmentState.READY
    assert status.expires_at is not None
    assert status.expires_at > harness.clock() + timedelta(days=2)
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY


async def test_extension_survives_a_push(harness: Harness) -> None:
    await harness.run()
    until = harness.clock() + timedelta(days=5)
    await harness.override(extended_until=until)
    status = await harness.status()
    assert (status.state, status.expires_at) == (EnvironmentState.READY, until)
    assert harness.github.reported[-1].expires_at == until
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert (await harness.status()).expires_at == until
    harness.clock.advance(timedelta(days=4).total_seconds())
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY
    harness.clock.advance(timedelta(days=2).total_seconds())
    await harness.run()
    await harness.again()
    assert (await harness.status()).end is EndReason.EXPIRED


async def test_fork_runs_allowed_commit_until_the_next_push(harness: Harness) -> None:
    harness.pull(**FORK)
    await harness.run()
    assert (await harness.status()).end is EndReason.FORK
    await harness.override(allowed_commit="a" * 40, allowed_by="ada")
    assert (await harness.status()).state is EnvironmentState.READY
    harness.pull(**FORK, head_sha="b" * 40)
    await harness.run()
    await harness.again()
    status = await harness.status()
    assert (status.state, status.end) == (EnvironmentState.REFUSED, EndReason.FORK)
    assert harness.cluster.state is NamespaceState.ABSENT


@pytest.mark.parametrize(
    ("owner", "role", "runs"),
    [
        ("mallory", Role.WRITE, True),
        ("mallory", Role.TRIAGE, False),
        ("trent", Role.ADMIN, False),
        ("", Role.ADMIN, False),
    ],
)
async def test_fork_owned_by_its_writing_author_runs_at_once(
    harness: Harness, owner: str, role: Role, runs: bool
) -> None:
    harness.github.roles["mallory"] = role
    harness.pull(**{**FORK, "head_owner": owner})
    await harness.run()
    expected = EnvironmentState.READY if runs else EnvironmentState.REFUSED
    assert (await harness.status()).state is expected


async def test_fork_is_rendered_as_a_fork(harness: Harness) -> None:
    harness.pull(**FORK)
    await harness.run()
    await harness.override(allowed_commit="a" * 40, allowed_by="ada")
    [request] = harness.cluster.rendered
    assert request.fork
