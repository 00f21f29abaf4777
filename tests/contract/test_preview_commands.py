"""Commands about previews, from the comment to the answer, on a GitHub over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.commands.outcome import Result
from bot.model.environment import EndReason, EnvironmentState, StatusMessage
from tests.contract.command_harness import (
    LONGEST,
    SHOP,
    CommandHarness,
    command_harness,
    save_status,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[CommandHarness]:
    async with command_harness(tmp_path) as harness:
        yield harness


async def test_preview_allows_only_the_current_commit_of_a_fork(harness: CommandHarness) -> None:
    head = harness.head(harness.fork)
    outcome = await harness.type(harness.fork, "write", "/preview")
    assert outcome is not None
    assert outcome.result is Result.ACCEPTED
    overrides = await harness.overrides(harness.fork)
    assert (overrides.allowed_commit, overrides.allowed_by) == (head, "write")
    assert "A push revokes the approval" in harness.answers(harness.fork)[0]


async def test_command_for_an_outdated_head_names_both_commits(harness: CommandHarness) -> None:
    seen = harness.head(harness.fork)
    comment = harness.comment(harness.fork, "write", "/preview")
    await harness.deliver(comment)
    moved = harness.github.repositories.push("mallory/shop", "mine", {"price.txt": "-1\n"}, by="mallory")
    await harness.work()
    outcome = await harness.outcome(comment)
    assert outcome is not None
    assert (outcome.result, outcome.seen, outcome.head) == (Result.MOVED, seen, moved)
    assert (await harness.overrides(harness.fork)).allowed_commit is None
    [answer] = harness.answers(harness.fork)
    assert seen[:7] in answer
    assert moved[:7] in answer
    reason = f"`/preview`: refers to {seen[:7]}, but the head is {moved[:7]}."
    assert await harness.refused(harness.fork) == [(reason, "write")]


async def test_head_pushed_after_the_comment_counts_as_unseen(harness: CommandHarness) -> None:
    comment = harness.comment(harness.fork, "write", "/preview")
    await asyncio.sleep(1.1)  # GitHub's clock shows whole seconds
    harness.github.repositories.push("mallory/shop", "mine", {"price.txt": "-1\n"}, by="mallory")
    await harness.record_heads()
    await harness.deliver(comment)
    await harness.work()
    outcome = await harness.outcome(comment)
    assert outcome is not None
    assert outcome.result is Result.UNSEEN
    assert (await harness.overrides(harness.fork)).allowed_commit is None


async def test_preview_of_a_closed_pull_request_is_refused(harness: CommandHarness) -> None:
    harness.github.pulls.close(SHOP, harness.own, by="write")
    outcome = await harness.type(harness.own, "write", "/preview")
    assert outcome is not None
    assert outcome.result is Result.CLOSED
    assert await harness.requested(harness.own) == []


async def test_extend_stops_at_the_operators_maximum(harness: CommandHarness) -> None:
    now = datetime.now(UTC)
    planned = now + timedelta(days=3)
    await save_status(harness, harness.own, expires_at=planned)
    outcome = await harness.type(harness.own, "triage", "/extend 24h")
    assert outcome is not None
    assert outcome.until == planned + timedelta(hours=24)
    assert (await harness.overrides(harness.own)).extended_until == outcome.until

    outcome = await harness.type(harness.own, "triage", "/extend 90d")
    assert outcome is not None
    assert outcome.until is not None
    assert timedelta() <= outcome.until - (now + LONGEST) < timedelta(minutes=1)

    again = await harness.type(harness.own, "triage", "/extend 90d")
    assert again is not None
    assert (again.result, again.until) == (Result.MAXIMUM, outcome.until), "not a second longer"

    await save_status(harness, harness.own, expires_at=now + LONGEST + timedelta(days=1))
    outcome = await harness.type(harness.own, "triage", "/extend 24h")
    assert outcome is not None
    assert outcome.result is Result.MAXIMUM


@pytest.mark.parametrize("typed", ["/extend 24h", "/sleep", "/wake", "/reseed", "/destroy"])
async def test_commands_on_a_deleted_preview_are_refused(harness: CommandHarness, typed: str) -> None:
    await save_status(harness, harness.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    outcome = await harness.type(harness.own, "write", typed)
    assert outcome is not None
    assert outcome.result is Result.NO_PREVIEW
    assert await harness.requested(harness.own) == []


async def test_preview_recreates_expired_but_not_running(harness: CommandHarness) -> None:
    await save_status(harness, harness.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    await harness.type(harness.own, "write", "/preview")
    assert (await harness.overrides(harness.own)).refreshes == 1
    await save_status(harness, harness.own)
    outcome = await harness.type(harness.own, "write", "/preview up")
    assert outcome is not None
    assert outcome.result is Result.ALREADY
    await harness.type(harness.own, "write", "/sleep")
    await harness.type(harness.own, "write", "/preview")
    overrides = await harness.overrides(harness.own)
    assert (overrides.sleep, overrides.refreshes) == (None, 1)


async def test_preview_disabled_by_configuration_stays_disabled(harness: CommandHarness) -> None:
    cause = StatusMessage("No preview for a draft.")
    await save_status(
        harness, harness.own, state=EnvironmentState.REFUSED, end=EndReason.SKIPPED, cause=cause
    )
    for typed in ("/preview", "/preview refresh"):
        outcome = await harness.type(harness.own, "write", typed)
        assert outcome is not None
        assert (outcome.result, outcome.reason) == (Result.DISABLED, cause.summary)
    assert await harness.requested(harness.own) == []
