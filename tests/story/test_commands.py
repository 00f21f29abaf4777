"""What people type on a pull request, and what happens then."""

from __future__ import annotations

import asyncio

import pytest

from tests.story.conftest import Story, eventually


async def type_(story: Story, number: int, text: str, by: str = "ada") -> int:
    made = await asyncio.to_thread(story.github.comments.create, story.repository, number, text, by=by)
    return int(made.id)


def answers(story: Story, number: int) -> list[str]:
    return [body for body in story.comments(number) if "<!-- greenroom command" in body]


async def test_destroyed_asleep_and_back_by_command(small: Story) -> None:
    number = await small.open("hello", small.hello())
    await small.is_ready(number)

    comment = await type_(small, number, "/preview sleep")
    await small.comment_says(number, "is asleep")
    assert [each.content for each in small.github.comments.reactions(comment)] == ["eyes"]
    assert len(await small.namespaces()) == 1
    await type_(small, number, "/preview")
    await small.is_ready(number)
    assert (await small.page(number)).status_code == 200

    await type_(small, number, "/destroy")
    await small.comment_says(number, "The preview is gone", "`ada`")
    await small.no_namespace()
    await type_(small, number, "/preview")
    await small.is_ready(number)
    assert (await small.page(number)).status_code == 200
    assert len(answers(small, number)) == 4


async def test_a_fork_waits_for_a_maintainer_runs_that_commit_and_stops_with_the_next_push(
    small: Story,
) -> None:
    mine = f"{small.organization}-by-mallory"

    def fork() -> int:
        github = small.github
        github.repositories.fork(small.repository, by="mallory", name=mine)
        github.repositories.push(f"mallory/{mine}", "mine", small.hello("Mine."), by="mallory")
        return int(github.pulls.open(small.repository, "mallory:mine", by="mallory").number)

    number = await asyncio.to_thread(fork)
    await small.comment_says(number, "No preview runs")
    await type_(small, number, "/preview", by="mallory")
    await small.comment_says(number, "needs the role `write`")
    assert await small.namespaces() == []

    await type_(small, number, "/preview")
    await small.is_ready(number)
    assert (await small.page(number)).text == "Mine."

    seen = small.head(number)
    worse = small.hello("Worse.")
    moved = await asyncio.to_thread(
        small.github.repositories.push, f"mallory/{mine}", "mine", worse, by="mallory"
    )
    await small.comment_says(number, "No preview runs")
    await small.no_namespace()
    assert seen != moved
    assert (await small.page(number)).status_code == 404


@pytest.mark.fault
async def test_killed_between_the_effect_and_the_answer_there_is_one_of_each(small: Story) -> None:
    number = await small.open("hello", small.hello())
    await small.is_ready(number)
    path = rf"/repos/{small.repository}/issues/\d+/comments$"
    small.github.faults.add("hang", method="POST", path=path, seconds=600)
    await type_(small, number, "/destroy")
    await small.comment_says(number, "The preview is gone")
    await small.bot.kill()
    small.github.faults.clear()
    await small.bot.start()
    await eventually(lambda: answers(small, number) or None, lambda: f"only {small.comments(number)}")
    await type_(small, number, "/why", by="ada")
    said = await small.comment_says(number, "What was decided")
    assert said.count("`/destroy`") == 1
    assert len(answers(small, number)) == 2
