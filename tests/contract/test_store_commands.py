"""Commands in the store, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.commands.outcome import Outcome, Result
from bot.commands.table import Verb
from bot.github.messages.command_reasons import refusal_note
from bot.model.command import RecordedCommand
from bot.model.delivery import CommandPosted, Delivery, PullRequestHint, WebhookEffect
from bot.model.environment import UserOverrides
from bot.model.errors import Superseded
from bot.model.work import Claim, WorkKey
from bot.store import Store
from tests.contract.shop import FIRST, SECOND, SEVEN, SHOP
from tests.stores import ManualClock

DESTROY = Outcome(Result.ACCEPTED, Verb.DESTROY)
PREVIEW = Outcome(Result.ACCEPTED, Verb.PREVIEW)


async def deliver(store: Store, clock: ManualClock, guid: str, *asks: WebhookEffect) -> None:
    await store.deliveries.record(Delivery(guid, "issue_comment", "created", clock(), SHOP), asks)


async def claimed(store: Store, comment_id: int) -> tuple[Claim, RecordedCommand]:
    claims = await store.queue.claim("me", 10, 30)
    [claim] = [claim for claim in claims if claim.key == WorkKey.command(comment_id)]
    stored = await store.commands.get(comment_id)
    assert stored is not None
    return claim, stored[0]


def destroyed(overrides: UserOverrides) -> UserOverrides:
    return replace(overrides, destroyed_by="ada")


def present(overrides: UserOverrides) -> UserOverrides:
    return replace(overrides, destroyed_by=None)


async def overrides(store: Store) -> UserOverrides:
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    return environment.overrides


async def test_repeated_deliveries_of_a_comment_are_one_command(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, "push", PullRequestHint(SHOP, 7, FIRST, open=True))
    since = clock()
    clock.advance(5)
    comment = CommandPosted(SHOP, 7, 900, "digest")
    await asyncio.gather(*(deliver(store, clock, f"guid-{entry}", comment) for entry in range(10)))
    claim, command = await claimed(store, 900)
    assert command == RecordedCommand(SHOP, 7, 900, "digest", clock(), FIRST, since, None, False)
    await store.queue.finish(claim)
    await deliver(store, clock, "guid-11", comment)
    assert [entry.key.kind for entry in await store.queue.claim("me", 10, 30)] == []


async def test_command_keeps_the_head_of_its_delivery(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, "opened", PullRequestHint(SHOP, 7, FIRST, open=True))
    clock.advance(5)
    await deliver(store, clock, "comment", CommandPosted(SHOP, 7, 900, ""))
    clock.advance(5)
    pushed_at = clock()
    await deliver(store, clock, "push", PullRequestHint(SHOP, 7, SECOND, open=True))
    clock.advance(5)
    await deliver(store, clock, "repeated", PullRequestHint(SHOP, 7, SECOND, open=True))
    await deliver(store, clock, "another", CommandPosted(SHOP, 7, 901, ""))
    stored = [await store.commands.get(comment) for comment in (900, 901)]
    assert [(entry[0].head, entry[0].head_since) for entry in stored if entry] == [
        (FIRST, pushed_at - timedelta(seconds=10)),
        (SECOND, pushed_at),
    ]


async def test_command_creates_missing_environment(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, "comment", CommandPosted(SHOP, 7, 900, ""))
    _, command = await claimed(store, 900)
    assert command.head is None
    assert await store.environments.get(SEVEN) is not None


async def test_command_outcome_and_effect_are_one_transaction(store: Store, clock: ManualClock) -> None:
    await deliver(
        store, clock, "comment", PullRequestHint(SHOP, 7, FIRST, open=True), CommandPosted(SHOP, 7, 900, "")
    )
    claim, command = await claimed(store, 900)
    assert await store.commands.decide(claim, command, DESTROY, destroyed, "ada", refusal_note) == DESTROY
    stored = await store.commands.get(900)
    assert stored is not None
    assert stored[1] == DESTROY
    assert (await overrides(store)).destroyed_by == "ada"
    [decision] = await store.journal.decisions(SEVEN)
    assert (decision.action, decision.reason, decision.by) == ("asked", "`/destroy`", "ada")


async def test_command_worker_without_claim_changes_nothing(store: Store, clock: ManualClock) -> None:
    await deliver(
        store, clock, "comment", PullRequestHint(SHOP, 7, FIRST, open=True), CommandPosted(SHOP, 7, 900, "")
    )
    claim, command = await claimed(store, 900)
    clock.advance(60)
    await claimed(store, 900)
    with pytest.raises(Superseded):
        await store.commands.decide(claim, command, DESTROY, destroyed, "ada", refusal_note)
    with pytest.raises(Superseded):
        await store.commands.check(claim)
    with pytest.raises(Superseded):
        await store.commands.answered(claim, command, "1")
    assert await overrides(store) == UserOverrides()
    stored = await store.commands.get(900)
    assert stored == (command, None)


async def test_last_command_wins_in_any_order_of_delivery(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, "opened", PullRequestHint(SHOP, 7, FIRST, open=True))
    await deliver(store, clock, "later", CommandPosted(SHOP, 7, 901, ""))
    claim, command = await claimed(store, 901)
    assert await store.commands.decide(claim, command, PREVIEW, present, "ada", refusal_note) == PREVIEW
    await deliver(store, clock, "earlier", CommandPosted(SHOP, 7, 900, ""))
    claim, command = await claimed(store, 900)
    overtaken = await store.commands.decide(
        claim, command, DESTROY, destroyed, by="ada", refusal_note=refusal_note
    )
    assert overtaken == replace(DESTROY, result=Result.OVERTAKEN)
    assert (await overrides(store)).destroyed_by is None


async def test_finished_commands_are_purged(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, "two", CommandPosted(SHOP, 7, 900, ""), CommandPosted(SHOP, 7, 901, ""))
    claim, command = await claimed(store, 900)
    await store.commands.answered(claim, command, "1")
    await store.commands.finish(claim, command)
    assert await store.queue.finish(claim)
    stored = await store.commands.get(900)
    assert stored is not None
    assert (stored[0].answer, stored[0].finished) == ("1", True)
    assert await store.commands.purge(clock()) == 0
    assert await store.commands.purge(clock() + timedelta(seconds=1)) == 1
    assert await store.commands.get(900) is None
    assert await store.commands.get(901) is not None
