"""Commands from the comment to the answer, on a GitHub over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.commands.outcome import Outcome, Result
from bot.commands.table import COMMANDS, Verb
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EndReason, EnvironmentKey, EnvironmentState, Status, StatusMessage
from bot.model.errors import Unavailable
from bot.model.protection import UNPROTECTED
from bot.model.role import Role
from bot.model.work import WorkKey
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from tests.contract.command_harness import LONGEST, SHOP, CommandHarness, Killed, command_harness
from tests.unit.promotions.stage_fixtures import facts, promotion


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[CommandHarness]:
    async with command_harness(tmp_path) as harness:
        yield harness


READ = {Verb.STATUS, Verb.WHY, Verb.HELP}
TEND = READ | {Verb.SLEEP, Verb.EXTEND, Verb.DESTROY}
ALL = set(Verb)
MATRIX: dict[str, tuple[str, int, set[Verb]]] = {
    "none": ("stranger", CommandHarness.own, set()),
    "read": ("read", CommandHarness.own, READ),
    "triage": ("triage", CommandHarness.own, TEND),
    "write": ("write", CommandHarness.own, ALL),
    "maintain": ("maintain", CommandHarness.own, ALL),
    "admin": ("admin", CommandHarness.own, ALL),
    "bot": ("helper[bot]", CommandHarness.own, set()),
    "fork author": ("mallory", CommandHarness.fork, READ | {Verb.SLEEP, Verb.DESTROY}),
}


STAGED = {"requested", "rejected", "locked", "unlocked", "hold", "unhold"}
"""Audit actions of all stage commands in order, on an empty stage."""


@pytest.mark.parametrize("role", MATRIX)
async def test_commands_run_only_with_their_role(harness: CommandHarness, role: str) -> None:
    login, number, may = MATRIX[role]
    assert set(COMMANDS) == set(Verb)
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    allowed = set()
    for verb, entry in COMMANDS.items():
        before = await harness.requested(number), await harness.audit()
        outcome = await harness.type(number, login, entry.usage)
        if outcome is not None and outcome.result is not Result.FORBIDDEN:
            allowed.add(verb)
        else:
            assert (await harness.requested(number), await harness.audit()) == before
    assert allowed == may
    assert {entry.action for entry in await harness.audit()} == (STAGED if may == ALL else set())
    assert {entry.actor for entry in await harness.audit()} <= {login}
    answered = harness.answers(number)
    begun = int(Verb.PROMOTE in may)  # the comment about a promotion is its answer
    assert len(answered) == (0 if role == "bot" else len(COMMANDS) - begun)
    assert sum("🚫" in answer for answer in answered) == len(answered) + begun - len(may)


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


async def test_command_gets_reaction_and_answer(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "Enough of it.\n/destroy")
    await harness.deliver(comment)
    assert await harness.is_queued(comment)
    await harness.work()
    assert harness.reactions(comment) == ["eyes"]
    [answer] = harness.answers(harness.own)
    assert "Deleting the preview" in answer
    assert (await harness.overrides(harness.own)).destroyed_by == "write"
    [decision] = await harness.requested(harness.own)
    assert (decision.reason, decision.by) == ("`/destroy`", "write")


async def test_repeated_delivery_has_one_effect_and_one_answer(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "/reseed")
    for _ in range(5):
        await harness.deliver(comment)
    await harness.work()
    for _ in range(5):
        await harness.deliver(comment)
        assert await harness.work() == 0
    assert (await harness.overrides(harness.own)).reseeds == 1
    assert len(harness.answers(harness.own)) == 1


async def test_ordinary_text_and_edits_run_nothing(harness: CommandHarness) -> None:
    words = harness.comment(harness.own, "write", "/usr/bin is where it lives, and `/destroy` is a command")
    await harness.deliver(words)
    edited = harness.comment(harness.own, "write", "nothing to see")
    harness.github.comments.edit(edited.id, "/destroy", by="write")
    await harness.deliver(edited, action="edited")
    assert await harness.work() == 0
    assert await harness.requested(harness.own) == []


async def test_edited_comment_runs_nothing(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "read", "/status")
    await harness.deliver(comment)
    harness.github.comments.edit(comment.id, "/destroy", by="write")
    await harness.work()
    assert await harness.outcome(comment) == Outcome(Result.EDITED)
    assert await harness.requested(harness.own) == []
    assert "edited before it was processed" in harness.answers(harness.own)[0]


async def test_deleted_comment_runs_nothing(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "/destroy")
    await harness.deliver(comment)
    harness.github.comments.delete(comment.id, by="write")
    await harness.work()
    assert await harness.requested(harness.own) == []
    assert harness.answers(harness.own) == []


async def test_bot_with_a_forged_user_type_runs_nothing(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "helper[bot]", "/destroy")
    await harness.deliver(comment, user={"type": "User"})
    assert await harness.work() == 1
    assert await harness.outcome(comment) is None
    assert harness.answers(harness.own) == []


async def test_unreadable_role_is_denied(harness: CommandHarness) -> None:
    harness.github.faults.add("error", method="GET", path="/permission$", status=422)
    outcome = await harness.type(harness.own, "admin", "/destroy")
    assert outcome is not None
    assert (outcome.result, outcome.role) == (Result.FORBIDDEN, Role.NONE)
    assert await harness.requested(harness.own) == []


async def test_command_runs_after_an_outage_of_role_checks(harness: CommandHarness) -> None:
    harness.github.faults.add("error", times=1, method="GET", path="/permission$", status=502)
    comment = harness.comment(harness.own, "write", "/destroy")
    await harness.deliver(comment)
    with pytest.raises(Unavailable):
        await harness.work()
    assert await harness.requested(harness.own) == []
    await harness.work()
    assert len(await harness.requested(harness.own)) == 1
    assert len(harness.answers(harness.own)) == 1


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


async def test_refused_commands_are_recorded_with_reason(harness: CommandHarness) -> None:
    for login, command in (("read", "/destroy"), ("write", "/destroy"), ("triage", "/extend 1h")):
        await harness.type(harness.own, login, command)
    for login, words in (("read", "/help"), ("write", "/prevew"), ("write", "Fine.")):
        await harness.type(harness.own, login, words)
    assert await harness.refused(harness.own) == [
        ("`/extend`: the pull request has no preview.", "triage"),
        ("`/destroy`: requires the role `triage`; the user has `read`.", "read"),
    ]


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


async def test_failed_answer_is_retried_without_a_second_effect(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "/reseed")
    await harness.deliver(comment)
    harness.github.faults.add("error", times=1, method="POST", path=r"/issues/\d+/comments$", status=502)
    with pytest.raises(Unavailable):
        await harness.work()
    assert harness.answers(harness.own) == []
    await harness.work()
    assert (await harness.overrides(harness.own)).reseeds == 1
    assert len(harness.answers(harness.own)) == 1


async def test_answer_written_despite_an_error_is_not_repeated(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "/reseed")
    await harness.deliver(comment)
    harness.github.faults.add(
        "error_after", times=1, method="POST", path=r"/issues/\d+/comments$", status=502
    )
    with pytest.raises(Unavailable):
        await harness.work()
    await harness.work()
    assert (await harness.overrides(harness.own)).reseeds == 1
    assert len(harness.answers(harness.own)) == 1


async def test_imitated_answer_does_not_suppress_the_answer(harness: CommandHarness) -> None:
    comment = harness.comment(harness.own, "write", "/reseed")
    harness.comment(harness.own, "read", f"<!-- greenroom command {comment.id} -->")
    await harness.deliver(comment)
    harness.github.faults.add("error", times=1, method="POST", path=r"/issues/\d+/comments$", status=502)
    with pytest.raises(Unavailable):
        await harness.work()
    await harness.work()
    assert len(harness.answers(harness.own)) == 1


async def test_mistyped_command_suggests_the_nearest(harness: CommandHarness) -> None:
    await harness.type(harness.own, "read", "/prevew")
    [answer] = harness.answers(harness.own)
    assert "Did you mean" in answer
    assert "`/preview`" in answer


async def test_preview_of_a_closed_pull_request_is_refused(harness: CommandHarness) -> None:
    harness.github.pulls.close(SHOP, harness.own, by="write")
    outcome = await harness.type(harness.own, "write", "/preview")
    assert outcome is not None
    assert outcome.result is Result.CLOSED
    assert await harness.requested(harness.own) == []


async def settle(harness: CommandHarness, number: int, **status: object) -> None:
    """Store a status as the reconciler does."""
    key = EnvironmentKey.preview(harness.repository.id, number)
    await harness.store.queue.enqueue([WorkKey.environment(key)])
    claims = await harness.store.queue.claim("reconciler", 10, 60)
    [claim] = [claim for claim in claims if claim.key == WorkKey.environment(key)]
    environment = await harness.environment(number)
    ready = Status(EnvironmentState.READY, commit=harness.head(number))
    settled = replace(environment, status=replace(ready, **status))  # type: ignore[arg-type]  # its fields
    await harness.store.environments.save(claim, settled)
    for claim in claims:
        await harness.store.queue.finish(claim)


async def test_extend_stops_at_the_operators_maximum(harness: CommandHarness) -> None:
    now = datetime.now(UTC)
    planned = now + timedelta(days=3)
    await settle(harness, harness.own, expires_at=planned)
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

    await settle(harness, harness.own, expires_at=now + LONGEST + timedelta(days=1))
    outcome = await harness.type(harness.own, "triage", "/extend 24h")
    assert outcome is not None
    assert outcome.result is Result.MAXIMUM


@pytest.mark.parametrize("typed", ["/extend 24h", "/preview sleep", "/reseed", "/destroy"])
async def test_commands_on_a_deleted_preview_are_refused(harness: CommandHarness, typed: str) -> None:
    await settle(harness, harness.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    outcome = await harness.type(harness.own, "write", typed)
    assert outcome is not None
    assert outcome.result is Result.NO_PREVIEW
    assert await harness.requested(harness.own) == []


async def test_preview_recreates_expired_but_not_running(harness: CommandHarness) -> None:
    await settle(harness, harness.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    await harness.type(harness.own, "write", "/preview")
    assert (await harness.overrides(harness.own)).refreshes == 1
    await settle(harness, harness.own)
    outcome = await harness.type(harness.own, "write", "/preview up")
    assert outcome is not None
    assert outcome.result is Result.ALREADY
    await harness.type(harness.own, "write", "/preview sleep")
    await harness.type(harness.own, "write", "/preview")
    overrides = await harness.overrides(harness.own)
    assert (overrides.asleep_by, overrides.refreshes) == (None, 1)


async def test_preview_disabled_by_configuration_stays_disabled(harness: CommandHarness) -> None:
    cause = StatusMessage("No preview for a draft.")
    await settle(harness, harness.own, state=EnvironmentState.REFUSED, end=EndReason.SKIPPED, cause=cause)
    for typed in ("/preview", "/preview refresh"):
        outcome = await harness.type(harness.own, "write", typed)
        assert outcome is not None
        assert (outcome.result, outcome.reason) == (Result.DISABLED, cause.summary)
    assert await harness.requested(harness.own) == []


async def test_why_lists_user_commands(harness: CommandHarness) -> None:
    await harness.type(harness.own, "write", "/destroy")
    await harness.type(harness.own, "read", "/why")
    assert "**asked** `/destroy` (by `write`)" in harness.answers(harness.own)[1]


async def test_command_runs_in_a_locked_conversation(harness: CommandHarness) -> None:
    harness.github.faults.add("error", method="POST", path="/(reactions|comments)$", status=403)
    comment = harness.comment(harness.own, "write", "/destroy")
    await harness.deliver(comment)
    await harness.work()
    assert len(await harness.requested(harness.own)) == 1
    assert not await harness.is_queued(comment)


STAGES = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  production: {after: [staging], approvals: {count: 2}}
  staging: {}
"""


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
    await settle(harness, harness.own)
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
    key, now = EnvironmentKey.stage(harness.repository.id, "staging"), datetime.now(UTC)
    requested = replace(
        promotion("staging", "ada", "p1", now), stage=key, repository=harness.repository, number=1
    )

    def change(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = step(stage_actions.request(aggregate, requested, now), "p1", facts(text=ONE_STAGE), now)
        if moving:
            aggregate = stage_actions.approve(
                aggregate, aggregate.promotions["p1"], "bea", (), UNPROTECTED, now
            )
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
