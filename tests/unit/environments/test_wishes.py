"""What people ask for by command, and what the reconcile makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.environment import EndReason, EnvironmentState
from bot.model.manifest import NamespaceState
from bot.model.role import Role
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.peers import Bench

FORK = {"head_repository_id": 8, "head_owner": "mallory", "author": "mallory"}


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Bench(store, clock)
    await store.close()


async def test_destroyed_it_stays_away_until_it_is_wanted_again(bench: Bench) -> None:
    await bench.run()
    await bench.wish(destroyed_by="ada")
    await bench.again()
    status = await bench.status()
    assert (status.state, status.end) == (EnvironmentState.GONE, EndReason.DESTROYED)
    assert bench.cluster.state is NamespaceState.ABSENT
    bench.pull(head_sha="b" * 40)
    await bench.run()
    assert (await bench.status()).state is EnvironmentState.GONE
    await bench.wish(destroyed_by=None)
    assert (await bench.status()).state is EnvironmentState.READY


async def test_asleep_nothing_runs_and_nothing_is_checked_until_it_is_woken(bench: Bench) -> None:
    await bench.run()
    bench.github.told.clear()
    await bench.wish(asleep_by="ada")
    status = await bench.status()
    assert (status.state, status.url) == (EnvironmentState.ASLEEP, None)
    assert "`ada` put it to sleep" in (status.cause.summary if status.cause else "")
    assert [told.state for told in bench.github.told] == [EnvironmentState.ASLEEP] * len(bench.github.told)
    assert bench.cluster.rendered[-1].asleep
    assert bench.cluster.state is NamespaceState.OURS
    await bench.again()
    bench.pull(head_sha="b" * 40)
    await bench.run()
    assert (await bench.status()).state is EnvironmentState.ASLEEP
    await bench.wish(asleep_by=None)
    status = await bench.status()
    assert (status.state, status.live_commit) == (EnvironmentState.READY, "b" * 40)
    assert not bench.cluster.rendered[-1].asleep


async def test_refreshed_it_goes_through_all_phases_with_the_same_bytes(bench: Bench) -> None:
    await bench.run()
    before = await bench.status()
    bench.registry.digest = "sha256:" + "2" * 64
    await bench.wish(refreshes=1)
    after = await bench.status()
    assert after.state is EnvironmentState.READY
    assert after.images == before.images
    assert all(after.phases[phase].started_at > before.phases[phase].started_at for phase in after.phases)
    assert bench.cluster.rendered[-1].refreshes == 1
    rendered = len(bench.cluster.rendered)
    await bench.run()
    assert len(bench.cluster.rendered) == rendered


async def test_what_expired_comes_back_with_all_of_its_time(bench: Bench) -> None:
    await bench.run()
    bench.clock.advance(timedelta(days=4).total_seconds())
    await bench.run()
    await bench.again()
    assert (await bench.status()).end is EndReason.EXPIRED
    await bench.wish(refreshes=1)
    status = await bench.status()
    assert status.state is EnvironmentState.READY
    assert status.expires_at is not None
    assert status.expires_at > bench.clock() + timedelta(days=2)
    await bench.run()
    assert (await bench.status()).state is EnvironmentState.READY


async def test_extended_it_lives_longer_also_after_a_push(bench: Bench) -> None:
    await bench.run()
    until = bench.clock() + timedelta(days=5)
    await bench.wish(extended_until=until)
    status = await bench.status()
    assert (status.state, status.expires_at) == (EnvironmentState.READY, until)
    assert bench.github.told[-1].expires_at == until
    bench.pull(head_sha="b" * 40)
    await bench.run()
    assert (await bench.status()).expires_at == until
    bench.clock.advance(timedelta(days=4).total_seconds())
    await bench.run()
    assert (await bench.status()).state is EnvironmentState.READY
    bench.clock.advance(timedelta(days=2).total_seconds())
    await bench.run()
    await bench.again()
    assert (await bench.status()).end is EndReason.EXPIRED


async def test_a_fork_runs_what_was_allowed_and_stops_with_the_next_push(bench: Bench) -> None:
    bench.pull(**FORK)
    await bench.run()
    assert (await bench.status()).end is EndReason.FORK
    await bench.wish(allowed_commit="a" * 40, allowed_by="ada")
    assert (await bench.status()).state is EnvironmentState.READY
    bench.pull(**FORK, head_sha="b" * 40)
    await bench.run()
    await bench.again()
    status = await bench.status()
    assert (status.state, status.end) == (EnvironmentState.REFUSED, EndReason.FORK)
    assert bench.cluster.state is NamespaceState.ABSENT


@pytest.mark.parametrize(
    ("owner", "role", "runs"),
    [
        ("mallory", Role.WRITE, True),
        ("mallory", Role.TRIAGE, False),
        ("somebody-else", Role.ADMIN, False),
        ("", Role.ADMIN, False),
    ],
)
async def test_the_own_fork_of_an_author_with_write_access_runs_at_once(
    bench: Bench, owner: str, role: Role, runs: bool
) -> None:
    bench.github.roles["mallory"] = role
    bench.pull(**{**FORK, "head_owner": owner})
    await bench.run()
    expected = EnvironmentState.READY if runs else EnvironmentState.REFUSED
    assert (await bench.status()).state is expected


async def test_what_is_rendered_of_a_fork_is_rendered_as_a_forks(bench: Bench) -> None:
    bench.pull(**FORK)
    await bench.run()
    await bench.wish(allowed_commit="a" * 40, allowed_by="ada")
    [request] = bench.cluster.rendered
    assert request.fork
