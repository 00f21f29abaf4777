"""Commands on a pull request."""

from __future__ import annotations

import asyncio

import pytest

from tests.story.conftest import Scenario, also_on_node, eventually


async def type_(scenario: Scenario, number: int, text: str, by: str = "ada") -> int:
    made = await asyncio.to_thread(scenario.github.comments.create, scenario.repository, number, text, by=by)
    return int(made.id)


def answers(scenario: Scenario, number: int) -> list[str]:
    return [body for body in scenario.comments(number) if "<!-- greenroom command" in body]


@also_on_node
async def test_preview_is_deleted_put_to_sleep_and_restored_by_command(small: Scenario) -> None:
    number = await small.open("hello", small.hello())
    await small.wait_until_ready(number)

    comment = await type_(small, number, "/sleep")
    await small.comment_with(number, "is asleep")
    assert [reaction.content for reaction in small.github.comments.reactions(comment)] == ["eyes"]
    assert len(await small.namespaces()) == 1
    await type_(small, number, "/preview")
    await small.wait_until_ready(number)
    assert (await small.page(number)).status_code == 200

    await type_(small, number, "/destroy")
    await small.comment_with(number, "The preview was deleted", "`ada`")
    await small.no_namespace()
    await type_(small, number, "/preview")
    await small.wait_until_ready(number)
    assert (await small.page(number)).status_code == 200
    assert len(answers(small, number)) == 4


@also_on_node
async def test_fork_runs_only_the_commit_that_was_allowed(
    small: Scenario,
) -> None:
    number = await small.fork(small.hello("Mine."))
    await small.comment_with(number, "This pull request has no preview")
    await type_(small, number, "/preview", by="mallory")
    await small.comment_with(number, "requires the role `write`")
    assert await small.namespaces() == []

    await type_(small, number, "/preview")
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Mine."

    seen = small.head(number)
    worse = small.hello("Worse.")
    moved = await asyncio.to_thread(
        small.github.repositories.push, f"mallory/{small.fork_name}", "mine", worse, by="mallory"
    )
    await small.comment_with(number, "This pull request has no preview")
    await small.no_namespace()
    assert seen != moved
    await small.no_page(number)


@pytest.mark.fault
async def test_bot_killed_before_its_answer_acts_and_answers_once(small: Scenario) -> None:
    number = await small.open("hello", small.hello())
    await small.wait_until_ready(number)
    path = rf"/repos/{small.repository}/issues/\d+/comments$"
    small.github.faults.add("hang", method="POST", path=path, seconds=600)
    await type_(small, number, "/destroy")
    await small.comment_with(number, "The preview was deleted")
    await small.bot.kill()
    small.github.faults.clear()
    await small.bot.start()
    await eventually(lambda: answers(small, number) or None, lambda: f"only {small.comments(number)}")
    await type_(small, number, "/why", by="ada")
    comment = await small.comment_with(number, "Decisions, newest first")
    assert comment.count("`/destroy`") == 1
    assert len(answers(small, number)) == 2
