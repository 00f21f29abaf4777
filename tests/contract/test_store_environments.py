"""Records of environments and their fence, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.model.delivery import Delivery, PullRequestHint
from bot.model.environment import (
    Attempt,
    CheckResult,
    CheckState,
    Decision,
    EndReason,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.errors import Superseded
from bot.model.release import Image, Release
from bot.model.work import Claim, WorkKey
from bot.store import Store
from tests.contract.shop import FIRST, SECOND, SEVEN, SHOP, pull_request
from tests.stores import ManualClock


async def opened(store: Store, clock: ManualClock, number: int = 7) -> tuple[Claim, Environment]:
    hint = PullRequestHint(SHOP, number, FIRST, True)
    await store.deliveries.record(
        Delivery(f"opened-{number}", "pull_request", "opened", clock(), SHOP), [hint]
    )
    [claim] = await store.queue.claim("me", 1, 30)
    environment = await store.environments.get(EnvironmentKey.preview(SHOP.id, number))
    assert environment is not None
    return claim, environment


def worked_on(environment: Environment, clock: ManualClock) -> Environment:
    """A record with every field filled."""
    now = clock()
    image = Image("ghcr.io/acme/shop", "sha256:" + "1" * 64)
    status = Status(
        state=EnvironmentState.FAILED,
        commit=FIRST,
        live_commit=SECOND,
        images={"shop": image.digest},
        release_id="123456789abc",
        url="https://pr-7-shop-a.preview.example/",
        phase=Phase.PROBE,
        phases={Phase.DATA: PhaseRecord(now, now + timedelta(seconds=3)), Phase.PROBE: PhaseRecord(now)},
        cause=StatusMessage("The probe failed.", "log\x00 with NUL\n\N{PARTY POPPER}", now),
        end=EndReason.EXPIRED,
        checks=(CheckResult("smoke", CheckState.FAILED, "3 of 4", "detail", 1.5),),
        expires_at=now + timedelta(days=3),
    )
    attempt = Attempt(
        pull_request=pull_request(FIRST, now),
        configuration="version: 1\n",
        release=Release(FIRST, {"shop": image}, "sha256:" + "2" * 64),
        applied={"data": "sha256:" + "3" * 64},
        probe_successes=2,
    )
    return replace(
        environment,
        observed_generation=environment.generation,
        status=status,
        attempt=attempt,
        receipt='{"comment": 1}',
    )


async def test_records_are_read_as_written(store: Store, clock: ManualClock) -> None:
    claim, environment = await opened(store, clock)
    clock.advance(5)
    written = worked_on(environment, clock)
    await store.environments.save(claim, written)
    read = await store.environments.get(SEVEN)
    assert read == replace(written, updated_at=clock())


async def test_journal_keeps_decisions_with_reasons(store: Store, clock: ManualClock) -> None:
    claim, environment = await opened(store, clock)
    made = [
        Decision(SEVEN, clock(), "opened", "A push."),
        Decision(SEVEN, clock(), "failed", "NUL \x00 \ud800"),
    ]
    await store.environments.save(claim, environment, decisions=made)
    newest, oldest = await store.journal.decisions(SEVEN)
    assert oldest == made[0]
    assert (newest.action, newest.reason) == ("failed", "NUL \N{REPLACEMENT CHARACTER} ?")
    assert await store.journal.decisions(SEVEN, limit=1) == [newest]
    assert await store.journal.decisions(EnvironmentKey.preview(SHOP.id, 8)) == []


async def test_journal_limits_refused_commands(store: Store, clock: ManualClock) -> None:
    claim, environment = await opened(store, clock)
    flood = [Decision(SEVEN, clock(), "refused", f"`/promote {stage}`", "mallory") for stage in range(60)]
    skipped = Decision(SEVEN, clock(), "refused", "This pull request comes from a fork.")
    ready = Decision(SEVEN, clock(), "ready", "It answers.")
    await store.environments.save(claim, environment, decisions=[ready, *flood, skipped])
    assert await store.journal.decisions(SEVEN) == [skipped, *reversed(flood[-3:]), ready]
    assert await store.journal.decisions(SEVEN, limit=2) == [skipped, flood[-1]]


async def test_save_fails_after_a_newer_generation(store: Store, clock: ManualClock) -> None:
    claim, environment = await opened(store, clock)
    await store.environments.check(claim, SEVEN, 1)
    hint = PullRequestHint(SHOP, 7, SECOND, True)
    await store.deliveries.record(Delivery("pushed", "pull_request", "synchronize", clock(), SHOP), [hint])
    with pytest.raises(Superseded):
        await store.environments.check(claim, SEVEN, 1)
    with pytest.raises(Superseded):
        await store.environments.save(
            claim, worked_on(environment, clock), decisions=[Decision(SEVEN, clock(), "ready", "")]
        )
    read = await store.environments.get(SEVEN)
    assert read is not None
    assert read.status == environment.status
    assert await store.journal.decisions(SEVEN) == []


async def test_save_fails_after_a_lost_lease(store: Store, clock: ManualClock) -> None:
    late, environment = await opened(store, clock)
    clock.advance(31)
    await store.environments.check(late, SEVEN, 1)  # no other worker has it yet
    [claim] = await store.queue.claim("you", 1, 30)
    with pytest.raises(Superseded):
        await store.environments.check(late, SEVEN, 1)
    with pytest.raises(Superseded):
        await store.environments.save(late, environment)
    await store.environments.save(claim, environment)
    await store.queue.finish(claim)
    with pytest.raises(Superseded):
        await store.environments.save(claim, environment)


async def test_update_overrides_supersedes_the_worker(store: Store, clock: ManualClock) -> None:
    claim, environment = await opened(store, clock)
    wished = await store.environments.update_overrides(
        SEVEN, lambda overrides: replace(overrides, reseeds=overrides.reseeds + 1), "`/reseed`", by="ada"
    )
    assert wished is not None
    assert wished.generation == environment.generation + 1
    assert wished == await store.environments.get(SEVEN)
    with pytest.raises(Superseded):
        await store.environments.save(claim, environment)
    await store.queue.finish(claim)
    keys = {again.key for again in await store.queue.claim("me", 9, 30)}
    assert WorkKey.environment(SEVEN) in keys
    [decision] = await store.journal.decisions(SEVEN)
    assert (decision.action, decision.reason, decision.by) == ("asked", "`/reseed`", "ada")
    missing = EnvironmentKey.preview(SHOP.id, 8)
    assert (
        await store.environments.update_overrides(missing, lambda overrides: overrides, "`/reseed`", by="ada")
        is None
    )


async def test_save_keeps_user_overrides(store: Store, clock: ManualClock) -> None:
    claim, _ = await opened(store, clock)
    extended = UserOverrides(extended_until=clock() + timedelta(hours=24))
    wished = await store.environments.update_overrides(SEVEN, lambda _: extended, "`/extend 24h`", by="ada")
    assert wished is not None
    await store.environments.save(claim, replace(worked_on(wished, clock), overrides=UserOverrides()))
    saved = await store.environments.get(SEVEN)
    assert saved is not None
    assert saved.overrides == extended


async def test_environments_are_found_by_state_repository_and_expiry(
    store: Store, clock: ManualClock
) -> None:
    numbers = {EnvironmentState.READY: 1, EnvironmentState.GONE: 2}
    for state, number in numbers.items():
        claim, environment = await opened(store, clock, number)
        status = Status(state, expires_at=clock() + timedelta(hours=number))
        await store.environments.save(claim, replace(environment, status=status))
        clock.advance(1)

    async def result(**conditions: object) -> list[str]:
        return [item.key.name for item in await store.environments.find(**conditions)]  # type: ignore[arg-type]  # its conditions

    assert await result() == ["1", "2"]
    assert await result(states=[EnvironmentState.READY, EnvironmentState.FAILED]) == ["1"]
    assert await result(repository_id=SHOP.id) == ["1", "2"]
    assert await result(repository_id=99) == []
    assert await result(expires_before=clock() + timedelta(hours=1.5)) == ["1"]
    assert await store.environments.get(EnvironmentKey.preview(99, 1)) is None


async def test_store_answers_ping(store: Store) -> None:
    await store.ping()
