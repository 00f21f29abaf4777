"""The main job, as the author of a pull request and its reviewers see it."""

import asyncio

from bot.embedded.samples.commits import broken_seed, broken_start
from tests.story.conftest import Story


async def test_a_pull_request_gets_its_shop_follows_a_push_and_leaves_nothing_behind(story: Story) -> None:
    number = await story.open("spring", story.files("spring"))
    said = await story.comment_says(number, "is ready", "✅ `http-healthz`")
    assert "sha256:" in said
    assert "Basil" in (await story.page(number)).text

    newest = await story.push("spring", story.files("autumn"))
    await story.comment_says(number, "is ready", newest[:7])
    assert "Amber lamp" in (await story.page(number)).text
    assert len(story.comments(number)) == 1

    await story.close(number)
    await story.comment_says(number, "The preview is gone")
    await story.no_namespace()
    assert (await story.page(number)).status_code == 404
    states = [deployment.statuses[-1].state for deployment in story.github.deployments.of(story.repository)]
    assert states == ["inactive", "inactive"]

    await story.reopen(number)
    await story.comment_says(number, "is ready", newest[:7])
    assert "Amber lamp" in (await story.page(number)).text


async def test_a_commit_that_crashes_is_told_with_its_last_words_and_mended_by_a_push(story: Story) -> None:
    number = await story.open("crash", broken_start(story.files()))
    said = await story.comment_says(number, "failed")
    assert "checkout" in said
    await story.push("crash", story.files())
    await story.comment_says(number, "is ready")


async def test_a_seed_that_is_refused_says_which_product(story: Story) -> None:
    number = await story.open("seed", broken_seed(story.files()))
    said = await story.comment_says(number, "failed", "seed")
    assert "cents" in said


async def test_a_fork_runs_nothing_and_says_who_may_allow_it(story: Story) -> None:
    def fork() -> int:
        github = story.github
        github.repositories.fork(story.repository, by="mallory")
        github.repositories.push("mallory/shop", "mine", story.files(), by="mallory")
        return int(github.pulls.open(story.repository, "mallory:mine", by="mallory").number)

    number = await asyncio.to_thread(fork)
    said = await story.comment_says(number, "No preview runs")
    assert "write access to acme/shop" in said
    assert await story.namespaces() == []


async def test_a_wrong_configuration_names_line_and_field(story: Story) -> None:
    broken = story.files()[".greenroom.yml"] + b"\ncolour: blue\n"
    await story.push("main", {".greenroom.yml": broken})
    number = await story.open("spring", story.files())
    said = await story.comment_says(number, "failed")
    assert "colour" in said
    assert "line" in said


async def test_killed_at_work_it_takes_up_again_and_says_nothing_twice(story: Story) -> None:
    number = await story.open("spring", story.files())
    for _ in range(3):
        await asyncio.sleep(0.7)
        await story.bot.kill()
        await story.bot.start()
    await story.comment_says(number, "is ready")
    assert len(story.comments(number)) == 1
    runs = story.github.checks.runs(story.repository, name="greenroom/preview")
    assert len(runs) == 1
    assert len(story.github.deployments.of(story.repository)) == 1
    assert len(await story.namespaces()) == 1
