"""The bot in a pod with the shipped rights: it is killed, upgraded and given more replicas."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.kubernetes import tools
from tests.node.installation import Installation
from tests.story.conftest import Scenario

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


async def test_doctor_passes_after_the_documented_installation(doctor: str) -> None:
    assert_passed(doctor)


def assert_passed(doctor: str) -> None:
    _, rolled_out, findings = doctor.partition("successfully rolled out\n")
    assert rolled_out
    results = [line.split()[0] for line in findings.splitlines() if line[:1].strip()]
    assert set(results) == {"ok"}, doctor


async def test_pages_are_public_and_metrics_are_not(installation: Installation, scenario: Scenario) -> None:
    headers = {"Host": f"greenroom.localhost:{scenario.world.gateway_port}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as visitor:
        gateway = f"http://{scenario.world.gateway_address}"
        assert (await visitor.get(f"{gateway}/")).status_code in (200, 303, 307)
        assert (await visitor.get(f"{gateway}/metrics")).status_code == 404


async def test_preview_from_open_to_close(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    assert "Basil" in (await scenario.page(number)).text
    await scenario.push("spring", scenario.files("autumn"))
    await scenario.wait_until_ready(number)
    assert "Amber lamp" in (await scenario.page(number)).text
    await scenario.close(number)
    await scenario.no_namespace()


async def test_killed_bot_resumes_the_rollout(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    await scenario.push("spring", scenario.files("autumn"))
    await asyncio.sleep(1)
    await scenario.bot.kill()
    await scenario.wait_until_ready(number)
    assert "Amber lamp" in (await scenario.page(number)).text
    scenario.assert_reported_once(number)


async def test_upgrade_during_a_rollout(installation: Installation, scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    await installation.push("next")
    await scenario.push("spring", scenario.files("autumn"))
    image = f"{installation.node.registry.host}/greenroom:next"
    change = f"set image --namespace greenroom deployment/greenroom greenroom={image}"
    await asyncio.to_thread(installation.kubectl, change)
    await scenario.wait_until_ready(number)
    assert "Amber lamp" in (await scenario.page(number)).text
    scenario.assert_reported_once(number)


async def test_chart_takes_over_the_installation(installation: Installation, scenario: Scenario) -> None:
    assert_passed(await installation.install_chart(tools.locate()))
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    assert "Basil" in (await scenario.page(number)).text
