"""A stage with its own host, once the operator has granted it."""

from __future__ import annotations

import httpx
import pytest

from bot.embedded.world import DOMAIN
from tests.story.conftest import Scenario, Site, new_scenario, operated
from tests.story.stages import Stages, staged

HOST = f"store.hosts.{DOMAIN}"
PIPELINE = f"\nstages:\n  integration: {{}}\n  production:\n    host: {HOST}\n    checks: [{{http: /}}]\n"


async def _visit(stages: Stages, host: str) -> httpx.Response:
    port = stages.scenario.world.gateway_port
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(
            f"http://{stages.scenario.world.gateway_address}/", headers={"Host": f"{host}:{port}"}
        )


@pytest.mark.fault
async def test_stage_host_is_refused_until_granted(site: Site) -> None:
    async with new_scenario(site) as scenario:
        await scenario.create(scenario.hello())
        number = await _refused(scenario)
        grants = f"{scenario.repository}=*.hosts.{DOMAIN},another/shop=shop.hosts.{DOMAIN}"
        async with operated(site, GREENROOM_HOSTS=grants), staged(scenario, PIPELINE) as stages:
            await stages.comment(number, "/promote production")
            comment = await stages.comment_with(number, "✅ Release", "**production**")
            port = scenario.world.gateway_port
            assert f"[{HOST}:{port}](http://{HOST}:{port})" in comment
            assert (await _visit(stages, HOST)).text == "Hello."
            assert (await stages.page("production")).status_code == 404
            [deployment] = [row for row in scenario.deployments() if row.environment == "production"]
            assert deployment.statuses[-1].environment_url == f"http://{HOST}:{port}"

            await stages.configure(PIPELINE.replace(HOST, f"shop.hosts.{DOMAIN}"))
            await stages.comment(number, "/promote production")
            await stages.comment_with(number, f"shop.hosts.{DOMAIN} is granted to another repository")
            await stages.configure(PIPELINE.replace(HOST, f"pr-1-shop-a1.{DOMAIN}"))
            await stages.comment(number, "/promote production")
            await stages.comment_with(number, "reserved for generated hosts")

            taken = PIPELINE.replace(f"    host: {HOST}\n", "").replace(": {}", f": {{host: {HOST}}}")
            await stages.configure(taken)
            await stages.comment(number, "/promote integration")
            await stages.comment_with(number, "🚦", f"tage production uses the host {HOST}")
            await stages.comment(number, "/promote production")
            await stages.deployed("production", "inactive", "success")
            await stages.configure(f"{taken}# As before.\n")
            await stages.comment_with(number, "✅ Release", "**integration**", HOST)
            assert (await _visit(stages, HOST)).text == "Hello."
            assert (await stages.page("production")).text == "Hello."


async def _refused(scenario: Scenario) -> int:
    async with staged(scenario, PIPELINE) as stages:
        number = await scenario.open("spring", scenario.hello())
        await scenario.wait_until_ready(number)
        await stages.comment(number, "/promote production")
        line = f"stages.production.host: {HOST} is not granted to this repository"
        comment = await stages.comment_with(number, "⛔ The promotion to", line)
        assert f"GREENROOM_HOSTS={scenario.repository}={HOST}" in comment.replace("\\", "")
        return number
