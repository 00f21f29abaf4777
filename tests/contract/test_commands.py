"""Execution of commands, from the comment to the answer, on a GitHub over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.commands.outcome import Outcome, Result
from bot.commands.table import COMMANDS, Verb
from bot.model.errors import Unavailable
from bot.model.role import Role
from tests.contract.command_harness import (
    COMMANDS_OF_WRITERS,
    MATRIX,
    SHOP,
    STAGES,
    CommandHarness,
    command_harness,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[CommandHarness]:
    async with command_harness(tmp_path) as harness:
        yield harness


STAGED = {"requested", "rejected", "locked", "unlocked", "hold", "unhold"}
"""Audit actions of all stage commands in order, on an empty stage."""
OF_MAINTAINERS = {"vouched", "paused", "resumed", "aborted"}
"""`/replace` requests another promotion after the one that was rejected."""


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=[] if role in ("read", "write") else pytest.mark.long) for role in MATRIX],
)
async def test_commands_run_only_with_their_role(harness: CommandHarness, role: str) -> None:
    login, number, may = MATRIX[role]
    assert set(COMMANDS) == set(Verb)
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    allowed = set()
    for verb, entry in COMMANDS.items():
        before = await harness.requested(number), await harness.audit()
        outcome = await harness.type(number, login, entry.example("staging"))
        if outcome is not None and outcome.result is not Result.FORBIDDEN:
            allowed.add(verb)
        else:
            assert (await harness.requested(number), await harness.audit()) == before
    assert allowed == may
    assert {entry.action for entry in await harness.audit()} == (
        (STAGED if may >= COMMANDS_OF_WRITERS else set()) | (OF_MAINTAINERS if Verb.VOUCH in may else set())
    )
    assert {entry.actor for entry in await harness.audit()} <= {login}
    answered = harness.answers(number)
    begun = len(may & {Verb.PROMOTE, Verb.REPLACE})  # the comment about a promotion is its answer
    assert len(answered) == (0 if role == "bot" else len(COMMANDS) - begun)
    assert sum("🚫" in answer for answer in answered) == len(answered) + begun - len(may)


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


async def test_refused_commands_are_recorded_with_reason(harness: CommandHarness) -> None:
    for login, command in (("read", "/destroy"), ("write", "/destroy"), ("triage", "/extend 1h")):
        await harness.type(harness.own, login, command)
    for login, words in (("read", "/help"), ("write", "/prevew"), ("write", "Fine.")):
        await harness.type(harness.own, login, words)
    assert await harness.refused(harness.own) == [
        ("`/extend`: the pull request has no preview.", "triage"),
        ("`/destroy`: requires the role `triage`; the user has `read`.", "read"),
    ]


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


async def test_why_lists_user_commands(harness: CommandHarness) -> None:
    await harness.type(harness.own, "write", "/destroy")
    await harness.type(harness.own, "read", "/why")
    assert "**requested** `/destroy` (by `write`)" in harness.answers(harness.own)[1]


async def test_command_runs_in_a_locked_conversation(harness: CommandHarness) -> None:
    harness.github.faults.add("error", method="POST", path="/(reactions|comments)$", status=403)
    comment = harness.comment(harness.own, "write", "/destroy")
    await harness.deliver(comment)
    await harness.work()
    assert len(await harness.requested(harness.own)) == 1
    assert not await harness.is_queued(comment)
