"""The bot in a pod reads the metrics of the gateway's pods, which a headless Service names."""

from __future__ import annotations

import pytest

from tests.story.conftest import Site, new_scenario
from tests.story.rollouts import CANARY, first
from tests.story.stages import staged
from tests.story.traffic import traffic

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


async def test_canary_is_judged_by_the_metrics_of_the_gateway(site: Site) -> None:
    async with new_scenario(site) as small:
        await small.create(small.hello())
        async with staged(small, CANARY) as stages:
            await first(stages)
            number = await stages.open("good", "Candidate.")
            async with traffic(stages, "production"):
                await stages.comment(number, "/promote production")
                comment = await stages.comment_with(number, "✅ Release", "| 20 % |", "| 50 % |")
            assert "✅ passed" in comment
            assert (await stages.page("production")).text == "Candidate."
