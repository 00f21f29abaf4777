"""Attempts of environments: one for each start, updated by each save, with what is kept of a failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.delivery import PullRequestHint
from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import (
    Decision,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
)
from bot.model.work import WorkKey
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.test_desired_state import PULL

KEY = EnvironmentKey.preview(PULL.repository.id, PULL.number)
FAILURE = NamespaceDiagnostics(
    (Event(None, "Pod shop", "BackOff", "restarting", True),), (LogTail("shop", "web", "boom \x00 é"),)
)


async def save(
    store: Store,
    clock: ManualClock,
    state: EnvironmentState,
    started_at: datetime,
    failure: NamespaceDiagnostics | None = None,
    decision: str = "",
) -> None:
    await store.deliveries.apply_hints([PullRequestHint(PULL.repository, PULL.number, None, None)])
    clock.advance(20)
    await store.queue.enqueue([WorkKey.environment(KEY)])
    claims = await store.queue.claim("test", 9, 60)
    [claim] = [claim for claim in claims if claim.key.kind == "environment"]
    environment = await store.environments.get(KEY)
    assert environment is not None
    phases = {Phase.CONFIGURATION: PhaseRecord(started_at)}
    cause = StatusMessage("It failed.") if state is EnvironmentState.FAILED else None
    status = Status(state, commit="a" * 40, phases=phases, cause=cause)
    decisions = [Decision(KEY, started_at, decision, "")] if decision else []
    await store.environments.save(
        claim, replace(environment, status=status), decisions=decisions, failure=failure
    )
    for finished in claims:
        await store.queue.finish(finished)


async def test_each_start_is_one_attempt_and_the_failure_stays(store: Store, clock: ManualClock) -> None:
    first = clock()
    await save(store, clock, EnvironmentState.PENDING, first)
    await save(store, clock, EnvironmentState.FAILED, first, FAILURE)
    await save(store, clock, EnvironmentState.FAILED, first)
    second = clock.advance(60)
    await save(store, clock, EnvironmentState.READY, second)
    newest, oldest = await store.attempts.of_environment(KEY, 10)
    assert (newest.started_at, newest.status.state) == (second, EnvironmentState.READY)
    assert (oldest.started_at, oldest.status.state) == (first, EnvironmentState.FAILED)
    stored = await store.attempts.get(KEY, first)
    assert stored is not None
    assert stored.failure is not None
    assert stored.failure.logs[0].text.startswith("boom")
    assert stored.failure.events == FAILURE.events
    assert await store.attempts.get(KEY, first - timedelta(seconds=1)) is None


async def test_logs_are_deleted_before_the_attempts(store: Store, clock: ManualClock) -> None:
    first = clock()
    await save(store, clock, EnvironmentState.FAILED, first, FAILURE)
    assert await store.attempts.forget_failures(clock()) == 0
    later = clock.advance(3600)
    assert await store.attempts.forget_failures(later) == 1
    stored = await store.attempts.get(KEY, first)
    assert stored is not None
    assert stored.failure is None
    assert await store.history.purge_attempts(later) == 1
    assert await store.attempts.of_environment(KEY, 10) == []


async def test_decisions_belong_to_the_attempt_during_which_they_were_made(
    store: Store, clock: ManualClock
) -> None:
    first = clock()
    await save(store, clock, EnvironmentState.FAILED, first, decision="failed")
    second = clock.advance(60)
    await save(store, clock, EnvironmentState.READY, second, decision="ready")
    assert [entry.action for entry in await store.journal.between(KEY, first, second)] == ["failed"]
    assert [entry.action for entry in await store.journal.between(KEY, second, None)] == ["ready"]
