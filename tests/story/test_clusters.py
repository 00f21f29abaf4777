"""Environments on two clusters: choice, grants, promotion and move, outages and expired credentials."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cluster.client.kinds import NAMESPACE
from bot.config.loader import CONFIG_FILE
from bot.model.naming import host_label, namespace_name
from bot.model.promotion import PromotionState
from tests.story.clusters import WEST, SecondCluster, with_west
from tests.story.conftest import PATIENCE_SECONDS, Scenario, Site, embedded_only, new_scenario
from tests.story.stages import staged

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

Both = tuple[Scenario, SecondCluster]
_ON_WEST = f"\npreview: {{cluster: {WEST}}}\n"
_PIPELINE = f"""
stages:
  integration: {{}}
  production: {{after: [integration], cluster: {WEST}}}
"""


@pytest.fixture
async def both(site: Site, tmp_path: Path) -> AsyncIterator[Both]:
    """A repository whose previews and stages may use west."""
    async with with_west(site, tmp_path / WEST) as (two, west), new_scenario(two) as scenario:
        await scenario.create(scenario.hello())
        yield scenario, west


async def configure(scenario: Scenario, more: str) -> dict[str, bytes]:
    """Adds to the default branch's configuration; returns the files."""
    files = scenario.hello()
    files[CONFIG_FILE] += more.encode()
    await scenario.push("main", files)
    return files


@embedded_only
async def test_preview_runs_on_the_cluster_that_is_configured(both: Both) -> None:
    scenario, west = both
    files = await configure(scenario, _ON_WEST)
    number = await scenario.open("spring", {**files, "sentence.txt": b"From the west."})
    comment = await scenario.comment_with(number, "is ready")
    assert f":{west.gateway_port}" in comment
    assert await west.exists(scenario.namespace(number))
    assert await scenario.namespaces() == []
    assert (await west.page(host_label(*scenario._names(number)))).text == "From the west."
    await scenario.close(number)
    await west.has(scenario.namespace(number), False)


@embedded_only
async def test_repository_without_a_grant_is_refused(site: Site, tmp_path: Path) -> None:
    async with (
        with_west(site, tmp_path / WEST, repositories="other/shop") as (two, west),
        new_scenario(two) as scenario,
    ):
        await scenario.create(scenario.hello())
        files = await configure(scenario, _ON_WEST)
        number = await scenario.open("spring", files)
        comment = await scenario.comment_with(
            number, "The cluster west is not available to previews of this repository"
        )
        assert "Available: `default`." in comment
        assert not await west.exists(scenario.namespace(number))


async def test_promotion_from_one_cluster_to_the_other(both: Both) -> None:
    scenario, west = both
    async with staged(scenario, _PIPELINE) as stages:
        number = await stages.open("spring", "Spring is here.")
        await stages.comment(number, "/promote integration")
        await stages.comes_to("integration", PromotionState.SUCCEEDED)
        await stages.comment(number, "/promote production")
        await stages.comes_to("production", PromotionState.SUCCEEDED)
        production = stages.key("production")
        name = namespace_name(production, stages.repository)
        page = await west.page(host_label(production, stages.repository))
        assert page.text == "Spring is here."
        assert await scenario.world.client.find(NAMESPACE, name) is None


@embedded_only
async def test_stage_moves_with_a_confirmation_and_the_old_one_is_removed_by_command(both: Both) -> None:
    scenario, west = both
    async with staged(scenario, "\nstages: {integration: {}}\n") as stages:
        number = await stages.open("spring", "Spring is here.")
        await stages.comment(number, "/promote integration")
        await stages.comes_to("integration", PromotionState.SUCCEEDED)
        await stages.configure(f"\nstages: {{integration: {{cluster: {WEST}}}}}\n")
        await stages.comment(number, "/promote integration")
        await stages.comment_with(number, "Confirm it with `/promote integration --move`")
        await stages.comes_to("integration", PromotionState.REJECTED)
        namespace = namespace_name(stages.key("integration"), stages.repository)
        assert not await west.exists(namespace)

        await stages.comment(number, "/promote integration --move")
        await stages.comes_to("integration", PromotionState.SUCCEEDED)
        assert await west.exists(namespace)
        assert (await stages.page("integration")).text == "Spring is here."

        remove = ("stage", "remove", scenario.repository, "integration", "--yes", "--cluster")
        code, output = await stages.greenroom(*remove, WEST)
        assert (code, "runs on the cluster west" in output) == (1, True)
        code, output = await stages.greenroom(*remove, "default")
        assert code == 0, output
        await stages.leaves("integration")
        assert await west.exists(namespace)


@pytest.mark.fault
@pytest.mark.parametrize("fault", ["cut", "silence"])
async def test_cluster_that_is_down_stops_nothing_elsewhere(both: Both, fault: str) -> None:
    scenario, west = both
    on_west = await configure(scenario, _ON_WEST)
    ready = await scenario.open("ready", on_west)
    await scenario.comment_with(ready, "is ready")

    getattr(west.line, fault)()
    pushed = await scenario.push("ready", {**on_west, "sentence.txt": b"Pushed in the outage."})
    opening = await scenario.open("opening", on_west)
    async with new_scenario(scenario.site) as other:
        await other.create(other.hello())
        started = time.monotonic()
        number = await other.open("spring", other.hello())
        await other.comment_with(number, "is ready")
        assert time.monotonic() - started < PATIENCE_SECONDS / 2
    await scenario.comment_with(opening, "The cluster west cannot be used")

    west.line.restore()
    await scenario.comment_with(opening, "is ready")
    await scenario.comment_with(ready, "is ready", pushed[:7])


@embedded_only
@pytest.mark.fault
async def test_pull_request_closed_in_the_outage_is_caught_up(both: Both) -> None:
    scenario, west = both
    files = await configure(scenario, _ON_WEST)
    number = await scenario.open("spring", files)
    await scenario.comment_with(number, "is ready")
    west.line.cut()
    await scenario.close(number)
    await scenario.delivered()
    await asyncio.sleep(3)
    assert await west.exists(scenario.namespace(number))
    west.line.restore()
    await west.has(scenario.namespace(number), False)


@embedded_only
@pytest.mark.fault
async def test_promotion_waits_for_the_cluster_and_continues(both: Both) -> None:
    scenario, west = both
    async with staged(scenario, _PIPELINE) as stages:
        number = await stages.open("spring", "Spring is here.")
        await stages.comment(number, "/promote integration")
        await stages.comes_to("integration", PromotionState.SUCCEEDED)
        west.line.cut()
        await stages.comment(number, "/promote production")
        await stages.comes_to("production", PromotionState.DEPLOYING)
        await stages.comment_with(number, "The cluster west cannot be used")
        west.line.restore()
        await stages.comes_to("production", PromotionState.SUCCEEDED)


@embedded_only
@pytest.mark.fault
async def test_bot_starts_while_the_cluster_is_down(both: Both) -> None:
    scenario, west = both
    west.line.cut()
    await scenario.bot.stop()
    await scenario.bot.start()
    files = await configure(scenario, _ON_WEST)
    number = await scenario.open("spring", files)
    await scenario.comment_with(number, "The cluster west is not in use")
    west.line.restore()
    await scenario.comment_with(number, "is ready")


@pytest.mark.fault
async def test_expired_credentials_are_read_again(both: Both) -> None:
    scenario, west = both
    files = await configure(scenario, _ON_WEST)
    await west.expire_credentials()
    number = await scenario.open("spring", files)
    await scenario.comment_with(number, "it refuses Greenroom's credentials")
    await west.issue_credentials()
    await scenario.comment_with(number, "is ready")
