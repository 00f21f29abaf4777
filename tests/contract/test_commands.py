"""Commands as people type them, on a GitHub that answers over HTTP."""

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
from tests.contract.command_desk import LONGEST, SHOP, Desk, Killed, command_desk
from tests.unit.promotions.stage_fixtures import facts, promotion


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with command_desk(tmp_path) as desk:
        yield desk


READ = {Verb.STATUS, Verb.WHY, Verb.HELP}
TEND = READ | {Verb.SLEEP, Verb.EXTEND, Verb.DESTROY}
ALL = set(Verb)
MATRIX: dict[str, tuple[str, int, set[Verb]]] = {
    "none": ("stranger", Desk.own, set()),
    "read": ("read", Desk.own, READ),
    "triage": ("triage", Desk.own, TEND),
    "write": ("write", Desk.own, ALL),
    "maintain": ("maintain", Desk.own, ALL),
    "admin": ("admin", Desk.own, ALL),
    "bot": ("helper[bot]", Desk.own, set()),
    "fork author": ("mallory", Desk.fork, READ | {Verb.SLEEP, Verb.DESTROY}),
}


STAGED = {"requested", "rejected", "locked", "unlocked", "hold", "unhold"}
"""What the commands about stages do there, one after another, where nothing runs yet."""


@pytest.mark.parametrize("who", MATRIX)
async def test_who_may_do_what(desk: Desk, who: str) -> None:
    login, number, may = MATRIX[who]
    assert set(COMMANDS) == set(Verb)
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    allowed = set()
    for verb, entry in COMMANDS.items():
        before = await desk.asked(number), await desk.audit()
        outcome = await desk.type(number, login, entry.usage)
        if outcome is not None and outcome.result is not Result.FORBIDDEN:
            allowed.add(verb)
        else:
            assert (await desk.asked(number), await desk.audit()) == before
    assert allowed == may
    assert {entry.action for entry in await desk.audit()} == (STAGED if may == ALL else set())
    assert {entry.actor for entry in await desk.audit()} <= {login}
    answered = desk.answers(number)
    begun = int(Verb.PROMOTE in may)  # the comment about a promotion is its answer
    assert len(answered) == (0 if who == "bot" else len(COMMANDS) - begun)
    assert sum("🚫" in answer for answer in answered) == len(answered) + begun - len(may)


@pytest.mark.parametrize("who", ["read", "triage", "write", "maintain", "admin"])
async def test_who_may_end_somebody_elses_lock(desk: Desk, who: str) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    owner = "admin" if who == "maintain" else "maintain"
    await desk.type(desk.own, owner, "/lock staging for 2h load test")
    outcome = await desk.type(desk.own, who, "/unlock staging")
    assert outcome is not None
    expected = {"read": Result.FORBIDDEN, "triage": Result.FORBIDDEN, "write": Result.REFUSED}
    assert outcome.result is (Result.DONE if who == owner else expected.get(who, Result.DONE))
    last = (await desk.audit())[0]
    assert (last.action, last.actor) == (
        ("unlocked", who) if outcome.result is Result.DONE else ("locked", owner)
    )
    if outcome.result is Result.REFUSED:
        assert "a user with the role `maintain`" in outcome.reason


async def test_a_command_is_seen_at_once_and_answered_in_a_comment(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "Enough of it.\n/destroy")
    await desk.deliver(comment)
    assert await desk.waits(comment)
    await desk.work()
    assert desk.reactions(comment) == ["eyes"]
    [answer] = desk.answers(desk.own)
    assert "Deleting the preview" in answer
    assert (await desk.wishes(desk.own)).destroyed_by == "write"
    [decision] = await desk.asked(desk.own)
    assert (decision.reason, decision.by) == ("`/destroy`", "write")


async def test_ten_deliveries_of_one_comment_have_one_effect_and_one_answer(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "/reseed")
    for _ in range(5):
        await desk.deliver(comment)
    await desk.work()
    for _ in range(5):
        await desk.deliver(comment)
        assert await desk.work() == 0
    assert (await desk.wishes(desk.own)).reseeds == 1
    assert len(desk.answers(desk.own)) == 1


async def test_ordinary_words_and_edits_ask_for_nothing(desk: Desk) -> None:
    words = desk.comment(desk.own, "write", "/usr/bin is where it lives, and `/destroy` is a command")
    await desk.deliver(words)
    edited = desk.comment(desk.own, "write", "nothing to see")
    desk.github.comments.edit(edited.id, "/destroy", by="write")
    await desk.deliver(edited, action="edited")
    assert await desk.work() == 0
    assert await desk.asked(desk.own) == []


async def test_a_comment_that_was_edited_since_runs_neither_what_it_said_nor_what_it_says(desk: Desk) -> None:
    comment = desk.comment(desk.own, "read", "/status")
    await desk.deliver(comment)
    desk.github.comments.edit(comment.id, "/destroy", by="write")
    await desk.work()
    assert await desk.outcome(comment) == Outcome(Result.EDITED)
    assert await desk.asked(desk.own) == []
    assert "edited before it was processed" in desk.answers(desk.own)[0]


async def test_a_comment_that_was_deleted_since_is_left_alone(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "/destroy")
    await desk.deliver(comment)
    desk.github.comments.delete(comment.id, by="write")
    await desk.work()
    assert await desk.asked(desk.own) == []
    assert desk.answers(desk.own) == []


async def test_a_bot_that_passes_for_a_person_in_the_delivery_runs_nothing(desk: Desk) -> None:
    comment = desk.comment(desk.own, "helper[bot]", "/destroy")
    await desk.deliver(comment, user={"type": "User"})
    assert await desk.work() == 1
    assert await desk.outcome(comment) is None
    assert desk.answers(desk.own) == []


async def test_rights_that_cannot_be_read_are_none(desk: Desk) -> None:
    desk.github.faults.add("error", method="GET", path="/permission$", status=422)
    outcome = await desk.type(desk.own, "admin", "/destroy")
    assert outcome is not None
    assert (outcome.result, outcome.role) == (Result.FORBIDDEN, Role.NONE)
    assert await desk.asked(desk.own) == []


async def test_while_github_does_not_tell_somebodys_rights_nothing_runs(desk: Desk) -> None:
    desk.github.faults.add("error", times=1, method="GET", path="/permission$", status=502)
    comment = desk.comment(desk.own, "write", "/destroy")
    await desk.deliver(comment)
    with pytest.raises(Unavailable):
        await desk.work()
    assert await desk.asked(desk.own) == []
    await desk.work()
    assert len(await desk.asked(desk.own)) == 1
    assert len(desk.answers(desk.own)) == 1


async def test_a_forks_commit_is_allowed_and_no_other(desk: Desk) -> None:
    head = desk.head(desk.fork)
    outcome = await desk.type(desk.fork, "write", "/preview")
    assert outcome is not None
    assert outcome.result is Result.ACCEPTED
    wishes = await desk.wishes(desk.fork)
    assert (wishes.allowed_commit, wishes.allowed_by) == (head, "write")
    assert "A push revokes the approval" in desk.answers(desk.fork)[0]


async def test_what_was_pushed_since_is_not_run_and_both_commits_are_named(desk: Desk) -> None:
    seen = desk.head(desk.fork)
    comment = desk.comment(desk.fork, "write", "/preview")
    await desk.deliver(comment)
    moved = desk.github.repositories.push("mallory/shop", "mine", {"price.txt": "-1\n"}, by="mallory")
    await desk.work()
    outcome = await desk.outcome(comment)
    assert outcome is not None
    assert (outcome.result, outcome.seen, outcome.head) == (Result.MOVED, seen, moved)
    assert (await desk.wishes(desk.fork)).allowed_commit is None
    [answer] = desk.answers(desk.fork)
    assert seen[:7] in answer
    assert moved[:7] in answer
    why = f"`/preview`: refers to {seen[:7]}, but the head is {moved[:7]}."
    assert await desk.refused(desk.fork) == [(why, "write")]


async def test_what_is_not_carried_out_is_written_down_with_its_reason(desk: Desk) -> None:
    for login, command in (("read", "/destroy"), ("write", "/destroy"), ("triage", "/extend 1h")):
        await desk.type(desk.own, login, command)
    for login, words in (("read", "/help"), ("write", "/prevew"), ("write", "Fine.")):
        await desk.type(desk.own, login, words)
    assert await desk.refused(desk.own) == [
        ("`/extend`: the pull request has no preview.", "triage"),
        ("`/destroy`: requires the role `triage`; the user has `read`.", "read"),
    ]


async def test_a_push_whose_delivery_overtook_the_comments_is_not_taken_for_what_was_seen(desk: Desk) -> None:
    comment = desk.comment(desk.fork, "write", "/preview")
    await asyncio.sleep(1.1)  # GitHub's clock shows whole seconds
    desk.github.repositories.push("mallory/shop", "mine", {"price.txt": "-1\n"}, by="mallory")
    await desk.hear_of_heads()
    await desk.deliver(comment)
    await desk.work()
    outcome = await desk.outcome(comment)
    assert outcome is not None
    assert outcome.result is Result.UNSEEN
    assert (await desk.wishes(desk.fork)).allowed_commit is None


async def test_dying_between_the_effect_and_the_answer_gives_one_of_each(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "/reseed")
    await desk.deliver(comment)
    desk.github.faults.add("error", times=1, method="POST", path=r"/issues/\d+/comments$", status=502)
    with pytest.raises(Unavailable):
        await desk.work()
    assert desk.answers(desk.own) == []
    await desk.work()
    assert (await desk.wishes(desk.own)).reseeds == 1
    assert len(desk.answers(desk.own)) == 1


async def test_a_502_to_an_answer_that_was_written_is_not_answered_again(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "/reseed")
    await desk.deliver(comment)
    desk.github.faults.add("error_after", times=1, method="POST", path=r"/issues/\d+/comments$", status=502)
    with pytest.raises(Unavailable):
        await desk.work()
    await desk.work()
    assert (await desk.wishes(desk.own)).reseeds == 1
    assert len(desk.answers(desk.own)) == 1


async def test_who_imitates_our_answer_does_not_keep_it_away(desk: Desk) -> None:
    comment = desk.comment(desk.own, "write", "/reseed")
    desk.comment(desk.own, "read", f"<!-- greenroom command {comment.id} -->")
    await desk.deliver(comment)
    desk.github.faults.add("error", times=1, method="POST", path=r"/issues/\d+/comments$", status=502)
    with pytest.raises(Unavailable):
        await desk.work()
    await desk.work()
    assert len(desk.answers(desk.own)) == 1


async def test_a_mistyped_command_is_told_what_may_have_been_meant(desk: Desk) -> None:
    await desk.type(desk.own, "read", "/prevew")
    [answer] = desk.answers(desk.own)
    assert "Did you mean" in answer
    assert "`/preview`" in answer


async def test_in_a_closed_pull_request_there_is_nothing_to_bring_up(desk: Desk) -> None:
    desk.github.pulls.close(SHOP, desk.own, by="write")
    outcome = await desk.type(desk.own, "write", "/preview")
    assert outcome is not None
    assert outcome.result is Result.CLOSED
    assert await desk.asked(desk.own) == []


async def settle(desk: Desk, number: int, **status: object) -> None:
    """The reconcile came so far."""
    key = EnvironmentKey.preview(desk.repository.id, number)
    await desk.store.queue.enqueue([WorkKey.environment(key)])
    claims = await desk.store.queue.claim("reconciler", 10, 60)
    [claim] = [claim for claim in claims if claim.key == WorkKey.environment(key)]
    environment = await desk.environment(number)
    ready = Status(EnvironmentState.READY, commit=desk.head(number))
    settled = replace(environment, status=replace(ready, **status))  # type: ignore[arg-type]  # its fields
    await desk.store.environments.save(claim, settled)
    for each in claims:
        await desk.store.queue.finish(each)


async def test_extending_ends_at_what_the_operator_allows(desk: Desk) -> None:
    now = datetime.now(UTC)
    planned = now + timedelta(days=3)
    await settle(desk, desk.own, expires_at=planned)
    outcome = await desk.type(desk.own, "triage", "/extend 24h")
    assert outcome is not None
    assert outcome.until == planned + timedelta(hours=24)
    assert (await desk.wishes(desk.own)).extended_until == outcome.until

    outcome = await desk.type(desk.own, "triage", "/extend 90d")
    assert outcome is not None
    assert outcome.until is not None
    assert timedelta() <= outcome.until - (now + LONGEST) < timedelta(minutes=1)

    again = await desk.type(desk.own, "triage", "/extend 90d")
    assert again is not None
    assert (again.result, again.until) == (Result.MAXIMUM, outcome.until), "not a second longer"

    await settle(desk, desk.own, expires_at=now + LONGEST + timedelta(days=1))
    outcome = await desk.type(desk.own, "triage", "/extend 24h")
    assert outcome is not None
    assert outcome.result is Result.MAXIMUM


@pytest.mark.parametrize("typed", ["/extend 24h", "/preview sleep", "/reseed", "/destroy"])
async def test_what_is_gone_can_only_be_brought_back(desk: Desk, typed: str) -> None:
    await settle(desk, desk.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    outcome = await desk.type(desk.own, "write", typed)
    assert outcome is not None
    assert outcome.result is Result.NO_PREVIEW
    assert await desk.asked(desk.own) == []


async def test_preview_brings_back_what_expired_and_leaves_alone_what_is_up(desk: Desk) -> None:
    await settle(desk, desk.own, state=EnvironmentState.GONE, end=EndReason.EXPIRED)
    await desk.type(desk.own, "write", "/preview")
    assert (await desk.wishes(desk.own)).refreshes == 1
    await settle(desk, desk.own)
    outcome = await desk.type(desk.own, "write", "/preview up")
    assert outcome is not None
    assert outcome.result is Result.ALREADY
    await desk.type(desk.own, "write", "/preview sleep")
    await desk.type(desk.own, "write", "/preview")
    wishes = await desk.wishes(desk.own)
    assert (wishes.asleep_by, wishes.refreshes) == (None, 1)


async def test_what_the_configuration_keeps_away_no_command_brings_up(desk: Desk) -> None:
    cause = StatusMessage("No preview for a draft.")
    await settle(desk, desk.own, state=EnvironmentState.REFUSED, end=EndReason.SKIPPED, cause=cause)
    for typed in ("/preview", "/preview refresh"):
        outcome = await desk.type(desk.own, "write", typed)
        assert outcome is not None
        assert (outcome.result, outcome.reason) == (Result.DISABLED, cause.summary)
    assert await desk.asked(desk.own) == []


async def test_why_tells_what_people_asked_for(desk: Desk) -> None:
    await desk.type(desk.own, "write", "/destroy")
    await desk.type(desk.own, "read", "/why")
    assert "**asked** `/destroy` (by `write`)" in desk.answers(desk.own)[1]


async def test_where_conversations_are_locked_the_command_still_runs(desk: Desk) -> None:
    desk.github.faults.add("error", method="POST", path="/(reactions|comments)$", status=403)
    comment = desk.comment(desk.own, "write", "/destroy")
    await desk.deliver(comment)
    await desk.work()
    assert len(await desk.asked(desk.own)) == 1
    assert not await desk.waits(comment)


STAGES = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  production: {after: [staging], approvals: {count: 2}}
  staging: {}
"""


@pytest.mark.parametrize("who", MATRIX)
async def test_who_may_ask_about_stages(desk: Desk, who: str) -> None:
    login, number, may = MATRIX[who]
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    for typed in ("/status", "/status staging", "/why staging"):
        outcome = await desk.type(number, login, typed)
        told = outcome is not None and outcome.result is Result.REPORTED
        assert told == (Verb.STATUS in may)
    stages = [answer for answer in desk.answers(number) if "staging" in answer]
    assert len(stages) == (3 if Verb.STATUS in may else 0)


async def test_status_shows_the_pipeline_in_its_order_and_what_runs_there(desk: Desk) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    await desk.type(desk.own, "write", "/lock staging for 2h load | test")
    await desk.type(desk.own, "read", "/status")
    rows = [line for line in desk.answers(desk.own)[-1].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["staging", "production"]
    assert "🔒 Locked by write until" in rows[0]
    assert "load \\| test" in rows[0]
    await desk.type(desk.own, "read", "/why staging")
    assert "**locked** load" in desk.answers(desk.own)[-1]


async def test_a_stage_that_there_is_not_is_told_with_those_that_there_are(desk: Desk) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": STAGES}, by="admin")
    await desk.type(desk.own, "read", "/status producton")
    assert "There is no stage `producton`. Stages: `staging`, `production`." in desk.answers(desk.own)[-1]
    assert await desk.refused(desk.own) == []


async def test_a_pipeline_that_cannot_be_read_does_not_keep_the_rest_from_being_told(desk: Desk) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": "version: 2\n"}, by="admin")
    await settle(desk, desk.own)
    await desk.type(desk.own, "read", "/status")
    answer = desk.answers(desk.own)[-1]
    assert "is ready." in answer
    assert "on the default branch has errors" in answer


ONE_STAGE = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  staging: {approvals: {count: 1}}
"""


async def wait_on_staging(desk: Desk, *, moving: bool) -> None:
    """A promotion of ada's waits there for an approval, or has got it and moves the stage."""
    key, now = EnvironmentKey.stage(desk.repository.id, "staging"), datetime.now(UTC)
    asked = replace(promotion("staging", "ada", "p1", now), stage=key, repository=desk.repository, number=1)

    def change(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = step(stage_actions.request(aggregate, asked, now), "p1", facts(text=ONE_STAGE), now)
        if moving:
            aggregate = stage_actions.approve(
                aggregate, aggregate.promotions["p1"], "bea", (), UNPROTECTED, now
            )
            aggregate = step(aggregate, "p1", facts(text=ONE_STAGE), now)
        return aggregate

    await desk.store.promotions.change(key, desk.repository, change)


@pytest.mark.parametrize("typed", ["/approve stagin", "/reject stag broken", "/abort Staging", "/pause now"])
async def test_a_mistyped_stage_is_never_the_promotion_that_happens_to_wait_there(
    desk: Desk, typed: str
) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    await wait_on_staging(desk, moving=False)
    before = await desk.store.audit.entries(desk.repository.id)
    await desk.type(desk.own, "write", typed)
    assert "There is no stage" in desk.answers(desk.own)[-1]
    assert "stages: staging" in desk.answers(desk.own)[-1]
    assert await desk.store.audit.entries(desk.repository.id) == before


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
async def test_dying_between_a_stages_change_and_the_outcome_is_noticed_by_nobody(
    desk: Desk, typed: str, before: str | None, moving: bool
) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    await wait_on_staging(desk, moving=moving)
    if before is not None:
        await desk.type(desk.own, "write", before)
    earlier, answers = await desk.store.audit.entries(desk.repository.id), desk.answers(desk.own)
    comment = desk.comment(desk.own, "write", typed)
    await desk.deliver(comment)
    desk.dies = True
    with pytest.raises(Killed):
        await desk.work()
    done = await desk.store.audit.entries(desk.repository.id)
    assert len(done) > len(earlier)
    assert {each.token for each in done[: len(done) - len(earlier)]} == {f"comment/{comment.id}"}

    desk.dies = False
    await desk.work()
    outcome = await desk.outcome(comment)
    assert outcome is not None
    assert outcome.result in (Result.DONE, Result.STARTED)
    assert outcome.stage == "staging"
    assert await desk.store.audit.entries(desk.repository.id) == done
    given = desk.answers(desk.own)[len(answers) :]
    assert len(given) == (0 if outcome.result is Result.STARTED else 1)
    assert not any("not executed" in answer for answer in given)


async def test_what_was_carried_out_before_a_kill_is_told_as_done_though_a_push_came_between(
    desk: Desk,
) -> None:
    desk.github.repositories.push(SHOP, "main", {".greenroom.yml": ONE_STAGE}, by="admin")
    comment = desk.comment(desk.own, "write", "/promote staging")
    await desk.deliver(comment)
    desk.dies = True
    with pytest.raises(Killed):
        await desk.work()
    desk.github.repositories.push(SHOP, "price", {"price.txt": "3\n"}, by="write")
    desk.dies = False
    await desk.work()
    outcome = await desk.outcome(comment)
    assert outcome is not None
    assert (outcome.result, outcome.stage) == (Result.STARTED, "staging")
    assert desk.answers(desk.own) == []
