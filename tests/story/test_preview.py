"""A preview from the pull request's opening to its close."""

import asyncio

import pytest

from bot.embedded.samples import broken_seed, broken_start
from tests.story.conftest import Scenario, also_on_node


@also_on_node
async def test_preview_from_open_to_close(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    comment = await scenario.comment_with(number, "is ready", "✅ `http-healthz`", "✅ `smoke`")
    assert "sha256:" in comment
    assert "Basil" in (await scenario.page(number)).text

    newest = await scenario.push("spring", scenario.files("autumn"))
    await scenario.comment_with(number, "is ready", newest[:7])
    assert "Amber lamp" in (await scenario.page(number)).text
    scenario.assert_reported_once(number)

    await scenario.close(number)
    await scenario.comment_with(number, "The preview was deleted")
    await scenario.no_namespace()
    await scenario.no_page(number)
    states = [deployment.statuses[-1].state for deployment in scenario.deployments()]
    assert states == ["inactive", "inactive"]

    await scenario.reopen(number)
    await scenario.wait_until_ready(number)
    assert "Amber lamp" in (await scenario.page(number)).text
    scenario.assert_reported_once(number)


@pytest.mark.long
@also_on_node
async def test_crash_is_reported_with_its_log_and_fixed_by_a_push(scenario: Scenario) -> None:
    number = await scenario.open("crash", broken_start(scenario.files()))
    comment = await scenario.comment_with(number, "failed")
    assert "checkout" in comment
    await scenario.push("crash", scenario.files())
    await scenario.wait_until_ready(number)


@pytest.mark.long
@also_on_node
async def test_failed_seed_is_reported_with_its_log(scenario: Scenario) -> None:
    number = await scenario.open("seed", broken_seed(scenario.files()))
    comment = await scenario.comment_with(number, "failed", "seed")
    assert "cents" in comment


async def test_fork_runs_nothing_and_its_comment_names_approvers(small: Scenario) -> None:
    number = await small.fork(small.hello("Mine."))
    comment = await small.comment_with(number, "This pull request has no preview")
    assert f"write access to {small.repository}" in comment
    assert await small.namespaces() == []


async def test_configuration_error_names_line_and_field(small: Scenario) -> None:
    right = small.hello()[".greenroom.yml"]
    await small.push("main", {".greenroom.yml": right + b"colour: blue\n"})
    number = await small.open("spring", {"sentence.txt": b"Spring."})
    comment = await small.comment_with(number, "failed")
    assert "colour" in comment
    assert "line 6" in comment
    await small.push("main", {".greenroom.yml": right})
    await small.wait_until_ready(number)


@pytest.mark.long
async def test_ready_preview_follows_the_default_branch_configuration(small: Scenario) -> None:
    number = await small.open("spring", small.hello("Spring."))
    await small.wait_until_ready(number)
    checks = b"preview: {checks: [{name: greeting, http: /}]}\n"
    await small.push("main", {".greenroom.yml": small.hello()[".greenroom.yml"] + checks})
    await small.comment_with(number, "is ready", "✅ `greeting`")
    small.assert_reported_once(number)


@pytest.mark.long
@also_on_node
async def test_killed_bot_resumes_and_reports_once(small: Scenario) -> None:
    number = await small.open("spring", small.hello("Spring."))
    for _ in range(2):
        await asyncio.sleep(0.7)
        await small.bot.kill()
        await small.bot.start()
    await small.wait_until_ready(number)
    small.assert_reported_once(number)
    assert small.runs() == ["success"]
    assert len(small.deployments()) == 1
    assert len(await small.namespaces()) == 1
