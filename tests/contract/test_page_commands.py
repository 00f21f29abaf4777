"""Commands from pages: rights, binding, order and answer are those of comments, on a GitHub over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.commands.grammar import digest
from bot.commands.outcome import Outcome, Result
from bot.model.command import PageCommand, RecordedCommand
from bot.model.person import Person
from bot.store.store import utc_now
from tests.contract.command_harness import MATRIX, SHOP, STAGES, CommandHarness, command_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[CommandHarness]:
    async with command_harness(tmp_path) as harness:
        yield harness


async def run_on_page(
    harness: CommandHarness,
    login: str,
    text: str,
    *,
    head: str | None = None,
    shown_at: datetime | None = None,
    account: int | None = None,
    id: int = -1,
) -> Outcome | None:
    """Posts a command as the confirmation page does, and handles it."""
    person = Person(account or harness.github.world.account(login).id, login)
    shown_at = shown_at or utc_now() - timedelta(seconds=1)
    command = RecordedCommand(
        harness.repository,
        harness.own,
        id,
        digest(text),
        utc_now(),
        head or harness.head(harness.own),
        shown_at,
        None,
        False,
        PageCommand(person, text, shown_at),
    )
    await harness.store.commands.post(command)
    await harness.work()
    stored = await harness.store.commands.get(id)
    assert stored is not None
    assert stored[0].finished
    return stored[1]


@pytest.mark.parametrize("role", ["read", "triage", "write"])
async def test_role_decides_as_for_comments(harness: CommandHarness, role: str) -> None:
    outcome = await run_on_page(harness, MATRIX[role][0], "/reseed")
    assert outcome is not None
    assert outcome.result is (Result.ACCEPTED if role == "write" else Result.FORBIDDEN)
    assert (await harness.overrides(harness.own)).reseeds == int(role == "write")


async def test_answer_names_the_user_and_the_command(harness: CommandHarness) -> None:
    await run_on_page(harness, "write", "/destroy")
    [answer] = harness.answers(harness.own)
    assert answer.startswith("`write` ran `/destroy` on a page of Greenroom.")
    assert "Deleting the preview" in answer
    assert (await harness.overrides(harness.own)).destroyed_by == "write"
    [decision] = await harness.requested(harness.own)
    assert (decision.reason, decision.by) == ("`/destroy`", "write")


async def test_account_whose_login_belongs_to_another_one_has_no_rights(harness: CommandHarness) -> None:
    outcome = await run_on_page(harness, "write", "/destroy", account=4711)
    assert outcome is not None
    assert outcome.result is Result.FORBIDDEN
    assert (await harness.overrides(harness.own)).destroyed_by is None


async def test_command_is_bound_to_the_head_that_was_shown(harness: CommandHarness) -> None:
    outcome = await run_on_page(harness, "write", "/reseed", head="f" * 40)
    assert outcome is not None
    assert outcome.result is Result.MOVED
    assert (await harness.overrides(harness.own)).reseeds == 0


async def test_same_confirmation_counts_once(harness: CommandHarness) -> None:
    await run_on_page(harness, "write", "/reseed")
    await run_on_page(harness, "write", "/reseed")
    assert (await harness.overrides(harness.own)).reseeds == 1


async def test_earlier_page_command_does_not_undo_a_later_comment(harness: CommandHarness) -> None:
    """The comment arrived after the command from the page, and was handled first."""
    comment = harness.comment(harness.own, "write", "/preview refresh")
    await harness.record_heads()
    person, shown_at = Person(harness.github.world.account("write").id, "write"), datetime.now(UTC)
    text = "/destroy"
    early = RecordedCommand(
        harness.repository, harness.own, -5, digest(text), shown_at, None, None, None, False,
        PageCommand(person, text, shown_at),
    )  # fmt: skip
    await harness.deliver(comment)
    await harness.work()
    await harness.store.commands.post(early)
    await harness.work()
    stored = await harness.store.commands.get(-5)
    assert stored is not None
    assert stored[1] is not None
    first = await harness.outcome(comment)
    assert first is not None
    expected = Result.OVERTAKEN if first.result is Result.ACCEPTED else Result.ACCEPTED
    assert stored[1].result is expected


async def test_stage_command_has_the_token_of_the_page_in_the_audit_log(harness: CommandHarness) -> None:
    harness.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    outcome = await run_on_page(harness, "write", "/hold staging load test", id=-9)
    assert outcome is not None
    assert outcome.result is Result.DONE
    [entry] = await harness.audit()
    assert (entry.action, entry.actor, entry.token) == ("hold", "write", "page/9")
