"""The main job, as the author of a pull request and its reviewers see it."""

import asyncio

from bot.embedded.samples.commits import broken_seed, broken_start
from tests.story.conftest import Story


async def test_a_pull_request_gets_its_shop_follows_a_push_and_leaves_nothing_behind(story: Story) -> None:
    number = await story.open("spring", story.files("spring"))
    said = await story.comment_says(number, "is ready", "✅ `http-healthz`", "✅ `smoke`")
    assert "sha256:" in said
    assert "Basil" in (await story.page(number)).text

    newest = await story.push("spring", story.files("autumn"))
    await story.comment_says(number, "is ready", newest[:7])
    assert "Amber lamp" in (await story.page(number)).text
    story.said_once(number)

    await story.close(number)
    await story.comment_says(number, "The preview is gone")
    await story.no_namespace()
    assert (await story.page(number)).status_code == 404
    states = [deployment.statuses[-1].state for deployment in story.deployments()]
    assert states == ["inactive", "inactive"]

    await story.reopen(number)
    await story.is_ready(number)
    assert "Amber lamp" in (await story.page(number)).text
    story.said_once(number)


async def test_a_commit_that_crashes_is_told_with_its_last_words_and_mended_by_a_push(story: Story) -> None:
    number = await story.open("crash", broken_start(story.files()))
    said = await story.comment_says(number, "failed")
    assert "checkout" in said
    await story.push("crash", story.files())
    await story.is_ready(number)


async def test_a_seed_that_is_refused_says_which_product(story: Story) -> None:
    number = await story.open("seed", broken_seed(story.files()))
    said = await story.comment_says(number, "failed", "seed")
    assert "cents" in said


async def test_a_fork_runs_nothing_and_says_who_may_allow_it(small: Story) -> None:
    def fork() -> int:
        github, mine = small.github, f"{small.organization}-by-mallory"
        github.repositories.fork(small.repository, by="mallory", name=mine)
        github.repositories.push(f"mallory/{mine}", "mine", small.hello("Mine."), by="mallory")
        return int(github.pulls.open(small.repository, "mallory:mine", by="mallory").number)

    number = await asyncio.to_thread(fork)
    said = await small.comment_says(number, "No preview runs")
    assert f"write access to {small.repository}" in said
    assert await small.namespaces() == []


async def test_a_wrong_configuration_names_line_and_field_and_is_mended_by_a_right_one(small: Story) -> None:
    right = small.hello()[".greenroom.yml"]
    await small.push("main", {".greenroom.yml": right + b"colour: blue\n"})
    number = await small.open("spring", {"sentence.txt": b"Spring."})
    said = await small.comment_says(number, "failed")
    assert "colour" in said
    assert "line 6" in said
    await small.push("main", {".greenroom.yml": right})
    await small.is_ready(number)


async def test_a_healthy_preview_follows_the_configuration_on_the_default_branch(small: Story) -> None:
    number = await small.open("spring", small.hello("Spring."))
    await small.is_ready(number)
    checks = b"preview: {checks: [{name: greeting, http: /}]}\n"
    await small.push("main", {".greenroom.yml": small.hello()[".greenroom.yml"] + checks})
    await small.comment_says(number, "is ready", "✅ `greeting`")
    small.said_once(number)


async def test_killed_at_work_it_takes_up_again_and_says_nothing_twice(small: Story) -> None:
    number = await small.open("spring", small.hello("Spring."))
    for _ in range(2):
        await asyncio.sleep(0.7)
        await small.bot.kill()
        await small.bot.start()
    await small.is_ready(number)
    small.said_once(number)
    assert small.runs() == ["success"]
    assert len(small.deployments()) == 1
    assert len(await small.namespaces()) == 1
