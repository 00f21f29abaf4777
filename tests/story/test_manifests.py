"""The shop with Kustomize and with Helm, rendered by the real programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.cluster.client.kinds import CONFIG_MAP, DEPLOYMENT
from bot.embedded.samples import AUTUMN, SPRING, Files, helm_shop_files, kustomize_shop_files, restyle
from tests.story.conftest import Scenario, Site, new_scenario

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("sample", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
async def test_preview_is_rendered_and_follows_a_push(site: Site, sample: Callable[[str], Files]) -> None:
    async with new_scenario(site) as scenario:
        files = sample(scenario.world.registry.host)
        await scenario.create(scenario.ours(files))
        number = await scenario.open("spring", scenario.ours(restyle(files, SPRING)))
        comment = await scenario.wait_until_ready(number)
        assert "✅ `smoke`" in comment
        assert "Basil" in (await scenario.page(number)).text
        await small(scenario, number)
        await scenario.push("spring", scenario.ours(restyle(files, AUTUMN)))
        await scenario.wait_until_ready(number)
        assert "Amber lamp" in (await scenario.page(number)).text
        scenario.assert_reported_once(number)


async def small(scenario: Scenario, number: int) -> None:
    """Checks that a preview runs one replica, where production runs two."""
    namespace = scenario.namespace(number)
    deployment = await scenario.world.client.get(DEPLOYMENT, "shop", namespace)
    assert deployment["spec"]["replicas"] == 1
    maps = await scenario.world.client.list(CONFIG_MAP, namespace)
    [config] = [item for item in maps.items if item["metadata"]["name"].startswith("shop")]
    assert config["data"]["PYTHONUNBUFFERED"] == "1"


async def test_helm_error_is_quoted_on_the_pull_request(site: Site) -> None:
    async with new_scenario(site) as scenario:
        files = scenario.ours(helm_shop_files(scenario.world.registry.host))
        await scenario.create(files)
        broken = files["chart/templates/shop.yaml"] + b"\n{{ fail `a shop needs a colour` }}\n"
        number = await scenario.open("broken", {**files, "chart/templates/shop.yaml": broken})
        comment = await scenario.comment_with(number, "failed", "helm template")
        assert "a shop needs a colour" in comment
        assert await scenario.namespaces() == []
