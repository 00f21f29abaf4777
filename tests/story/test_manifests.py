"""The same shop with its manifests in Kustomize and in Helm, made by the programs themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.embedded.client.resources import CONFIG_MAPS, DEPLOYMENTS
from bot.embedded.samples import AUTUMN, SPRING, Files, helm_shop_files, kustomize_shop_files, restyle
from tests.story.conftest import Site, Story, told

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("sample", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
async def test_a_preview_is_built_and_follows_a_push(site: Site, sample: Callable[[str], Files]) -> None:
    async with told(site) as story:
        files = sample(story.world.registry.host)
        await story.create(story.ours(files))
        number = await story.open("spring", story.ours(restyle(files, SPRING)))
        said = await story.is_ready(number)
        assert "✅ `smoke`" in said
        assert "Basil" in (await story.page(number)).text
        await small(story, number)
        await story.push("spring", story.ours(restyle(files, AUTUMN)))
        await story.is_ready(number)
        assert "Amber lamp" in (await story.page(number)).text
        story.said_once(number)


async def small(story: Story, number: int) -> None:
    """A preview has one shop, where production has two."""
    namespace = story.namespace(number)
    deployment = await story.world.client.get(DEPLOYMENTS, "shop", namespace)
    assert deployment["spec"]["replicas"] == 1
    maps = await story.world.client.list(CONFIG_MAPS, namespace)
    [config] = [each for each in maps.items if each["metadata"]["name"].startswith("shop")]
    assert config["data"]["PYTHONUNBUFFERED"] == "1"


async def test_what_helm_says_is_quoted_on_the_pull_request(site: Site) -> None:
    async with told(site) as story:
        files = story.ours(helm_shop_files(story.world.registry.host))
        await story.create(files)
        broken = files["chart/templates/shop.yaml"] + b"\n{{ fail `a shop needs a colour` }}\n"
        number = await story.open("broken", {**files, "chart/templates/shop.yaml": broken})
        said = await story.comment_says(number, "failed", "helm template")
        assert "a shop needs a colour" in said
        assert await story.namespaces() == []
