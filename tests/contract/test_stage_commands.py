"""Commands about stages, from the comment to the answer, on a GitHub over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.commands.outcome import Result
from bot.commands.table import Verb
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.protection import UNPROTECTED
from bot.promotions import stage_actions
from bot.promotions.approvals import ApprovalRequest
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from tests.contract.command_harness import (
    MATRIX,
    SHOP,
    STAGES,
    CommandHarness,
    Killed,
    command_harness,
    save_status,
)
from tests.unit.promotions.stage_fixtures import facts, promotion


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[CommandHarness]:
    async with command_harness(tmp_path) as harness:
        yield harness


@pytest.mark.parametrize("role", ["read", "triage", "write", "maintain", "admin"])
async def test_unlock_of_another_users_lock_requires_maintain(harness: CommandHarness, role: str) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    owner = "admin" if role == "maintain" else "maintain"
    await harness.type(harness.own, owner, "/lock staging for 2h load test")
    outcome = await harness.type(harness.own, role, "/unlock staging")
    assert outcome is not None
    expected = {"read": Result.FORBIDDEN, "triage": Result.FORBIDDEN, "write": Result.REFUSED}
    assert outcome.result is (Result.DONE if role == owner else expected.get(role, Result.DONE))
    last = (await harness.audit())[0]
    assert (last.action, last.actor) == (
        ("unlocked", role) if outcome.result is Result.DONE else ("locked", owner)
    )
    if outcome.result is Result.REFUSED:
        assert "a user with the role `maintain`" in outcome.reason


@pytest.mark.parametrize("role", MATRIX)
async def test_stage_status_requires_read_access(harness: CommandHarness, role: str) -> None:
    login, number, may = MATRIX[role]
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    for typed in ("/status", "/status staging", "/why staging"):
        outcome = await harness.type(number, login, typed)
        reported = outcome is not None and outcome.result is Result.REPORTED
        assert reported == (Verb.STATUS in may)
    stages = [answer for answer in harness.answers(number) if "staging" in answer]
    assert len(stages) == (3 if Verb.STATUS in may else 0)


async def test_status_lists_stages_in_pipeline_order(harness: CommandHarness) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    await harness.type(harness.own, "write", "/lock staging for 2h load | test")
    await harness.type(harness.own, "read", "/status")
    rows = [line for line in harness.answers(harness.own)[-1].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["staging", "production"]
    assert "🔒 Locked by write until" in rows[0]
    assert "load \\| test" in rows[0]
    await harness.type(harness.own, "read", "/why staging")
    assert "**locked** load" in harness.answers(harness.own)[-1]


async def test_status_of_an_unknown_stage_lists_the_stages(harness: CommandHarness) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    await harness.type(harness.own, "read", "/status producton")
    assert (
        "There is no stage `producton`. Stages: `staging`, `production`." in harness.answers(harness.own)[-1]
    )
    assert await harness.refused(harness.own) == []


async def test_status_with_invalid_configuration_shows_the_rest(harness: CommandHarness) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": "version: 2\n"}, by="admin")
    await save_status(harness, harness.own)
    await harness.type(harness.own, "read", "/status")
    answer = harness.answers(harness.own)[-1]
    assert "is ready." in answer
    assert "on the default branch has errors" in answer


ONE_STAGE = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  staging: {approvals: {count: 1}}
"""


async def wait_on_staging(harness: CommandHarness, *, moving: bool) -> None:
    """A promotion of ada that awaits approval, or that is approved and active."""
    key = EnvironmentKey.stage(harness.repository.id, "staging")
    now = datetime.now(UTC) - timedelta(minutes=1)
    requested = replace(
        promotion("staging", "ada", "p1", now), stage=key, repository=harness.repository, number=1
    )

    def change(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = step(stage_actions.request(aggregate, requested, now), "p1", facts(text=ONE_STAGE), now)
        if moving:
            given = ApprovalRequest("bea", now + timedelta(seconds=1))
            aggregate = stage_actions.approve(aggregate, aggregate.promotions["p1"], given, UNPROTECTED, now)
            aggregate = step(aggregate, "p1", facts(text=ONE_STAGE), now)
        return aggregate

    await harness.store.promotions.change(key, harness.repository, change)


@pytest.mark.parametrize("typed", ["/approve stagin", "/reject stag broken", "/abort Staging", "/pause now"])
async def test_mistyped_stage_changes_no_waiting_promotion(harness: CommandHarness, typed: str) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    await wait_on_staging(harness, moving=False)
    before = await harness.store.audit.entries(harness.repository.id)
    await harness.type(harness.own, "write", typed)
    assert "There is no stage" in harness.answers(harness.own)[-1]
    assert "stages: staging" in harness.answers(harness.own)[-1]
    assert await harness.store.audit.entries(harness.repository.id) == before


@pytest.mark.parametrize(
    ("typed", "before", "moving"),
    [
        ("/approve", None, False),
        ("/reject not today", None, False),
        ("/abort staging", None, False),
        ("/abort staging", None, True),
        ("/pause", None, True),
        ("/resume", "/pause", True),
        ("/rollback staging", None, True),
        ("/lock staging for 2h load test", None, False),
        ("/unlock staging", "/lock staging", False),
        ("/hold staging", None, False),
        ("/unhold staging", "/hold staging", False),
        ("/promote staging", None, False),
    ],
)
async def test_crash_after_a_stage_change_repeats_nothing(
    harness: CommandHarness, typed: str, before: str | None, moving: bool
) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    await wait_on_staging(harness, moving=moving)
    if before is not None:
        await harness.type(harness.own, "write", before)
    earlier, answers = await harness.store.audit.entries(harness.repository.id), harness.answers(harness.own)
    comment = harness.comment(harness.own, "write", typed)
    await harness.deliver(comment)
    harness.dies = True
    with pytest.raises(Killed):
        await harness.work()
    done = await harness.store.audit.entries(harness.repository.id)
    assert len(done) > len(earlier)
    assert {entry.token for entry in done[: len(done) - len(earlier)]} == {f"comment/{comment.id}"}

    harness.dies = False
    await harness.work()
    outcome = await harness.outcome(comment)
    assert outcome is not None
    assert outcome.result in (Result.DONE, Result.STARTED)
    assert outcome.stage == "staging"
    assert await harness.store.audit.entries(harness.repository.id) == done
    given = harness.answers(harness.own)[len(answers) :]
    assert len(given) == (0 if outcome.result is Result.STARTED else 1)
    assert not any("not executed" in answer for answer in given)


async def test_outcome_after_a_crash_ignores_a_later_push(
    harness: CommandHarness,
) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    comment = harness.comment(harness.own, "write", "/promote staging")
    await harness.deliver(comment)
    harness.dies = True
    with pytest.raises(Killed):
        await harness.work()
    harness.github.repositories.push(SHOP, "price", {"price.txt": "3\n"}, by="write")
    harness.dies = False
    await harness.work()
    outcome = await harness.outcome(comment)
    assert outcome is not None
    assert (outcome.result, outcome.stage) == (Result.STARTED, "staging")
    assert harness.answers(harness.own) == []
