"""A stage at a host of its own, once the operator says whose the host is."""

from __future__ import annotations

import httpx
import pytest

from bot.embedded.world import DOMAIN
from tests.story.conftest import Site, Story, operated, told
from tests.story.stages import Stages, staged

HOST = f"store.hosts.{DOMAIN}"
PIPELINE = f"\nstages:\n  integration: {{}}\n  production:\n    host: {HOST}\n    checks: [{{http: /}}]\n"


async def _visit(stages: Stages, host: str) -> httpx.Response:
    port = stages.story.world.gateway.port
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}/", headers={"Host": f"{host}:{port}"})


@pytest.mark.fault
async def test_a_host_is_refused_before_it_is_granted_and_then_the_stage_is_there(site: Site) -> None:
    async with told(site) as story:
        await story.create(story.hello())
        number = await _refused(story)
        grants = f"{story.repository}=*.hosts.{DOMAIN},another/shop=shop.hosts.{DOMAIN}"
        async with operated(site, GREENROOM_HOSTS=grants), staged(story, PIPELINE) as stages:
            await stages.say(number, "/promote production")
            said = await stages.told(number, "✅ Release", "**production**")
            port = story.world.gateway.port
            assert f"[{HOST}:{port}](http://{HOST}:{port})" in said
            assert (await _visit(stages, HOST)).text == "Hello."
            assert (await stages.page("production")).status_code == 404
            [deployment] = [one for one in story.deployments() if one.environment == "production"]
            assert deployment.statuses[-1].environment_url == f"http://{HOST}:{port}"

            await stages.configure(PIPELINE.replace(HOST, f"shop.hosts.{DOMAIN}"))
            await stages.say(number, "/promote production")
            await stages.told(number, f"shop.hosts.{DOMAIN} is granted to another repository")
            await stages.configure(PIPELINE.replace(HOST, f"pr-1-shop-a1.{DOMAIN}"))
            await stages.say(number, "/promote production")
            await stages.told(number, "such names are given, not chosen")

            taken = PIPELINE.replace(f"    host: {HOST}\n", "").replace(": {}", f": {{host: {HOST}}}")
            await stages.configure(taken)
            await stages.say(number, "/promote integration")
            await stages.told(number, "🚦", f"The host {HOST} is that of production as long as")
            await stages.say(number, "/promote production")
            await stages.deployed("production", "inactive", "success")
            await stages.configure(f"{taken}# As before.\n")
            await stages.told(number, "✅ Release", "**integration**", HOST)
            assert (await _visit(stages, HOST)).text == "Hello."
            assert (await stages.page("production")).text == "Hello."


async def _refused(story: Story) -> int:
    async with staged(story, PIPELINE) as stages:
        number = await story.open("spring", story.hello())
        await story.is_ready(number)
        await stages.say(number, "/promote production")
        line = f"stages.production.host: {HOST} is not granted to this repository"
        said = await stages.told(number, "⛔ Nothing was promoted", line)
        assert f"GREENROOM_HOSTS={story.repository}={HOST}" in said.replace("\\", "")
        return number
