"""Rollouts on a real node, where containers, kubelet and gateway decide.

The stories of this module run side by side, since they mostly wait; each is one test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from bot.model.promotion import PromotionState
from tests.story import test_rollout_failures as failures
from tests.story.conftest import Scenario, Site, new_scenario, node_only
from tests.story.rollouts import BLUE_GREEN, comes_to, first, reaches
from tests.story.stages import staged
from tests.story.traffic import traffic

pytestmark = node_only

Rollout = Callable[[Scenario], Awaitable[None]]

_ASK = (
    "import os; from urllib.request import urlopen; url = os.environ['GREENROOM_URL']; "
    "answer = urlopen(url).read().decode() if 'hello-gr' in url else 'Candidate.'; "
    "assert answer == 'Candidate.', answer"
)
"""A check of the second release; the first one has no candidate."""


async def _job_check(small: Scenario) -> None:
    """It has the address of the candidate's Service; a candidate that fails it gets no traffic."""
    job = f"{{name: smoke, job: {{image: hello, command: [python, -c, {_ASK!r}]}}}}"
    pipeline = BLUE_GREEN.replace("KEEP", "1h").replace("{http: /}", job)
    async with staged(small, pipeline) as stages:
        await first(stages)
        broken = await stages.open("broken", "Broken.")
        async with traffic(stages, "production") as users:
            await stages.comment(broken, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert "Broken." in promotion.detail, promotion
        assert set(users.bodies) == {"Stable."}
        await stages.comment(broken, "/unhold production")
        good = await stages.open("good", "Candidate.")
        await stages.comment(good, "/promote production")
        await reaches(stages, 100)


_ROLLOUTS: Mapping[str, Rollout] = {
    "stable crashes": failures.test_good_candidate_replaces_a_stable_revision_that_crashes,
    "job check": _job_check,
    "slow": failures.test_slow_candidate_is_rolled_back,
    "no traffic": failures.test_canary_without_traffic_is_rolled_back_in_the_end,
    "candidate crashes": failures.test_candidate_that_crashes_in_a_step_is_rolled_back,
    "configuration": failures.test_candidate_has_its_own_configuration,
    "second promotion": failures.test_second_promotion_is_refused_until_the_rollout_ends,
    "fails its check": failures.test_blue_green_that_fails_its_check_never_gets_traffic,
    "failed finish": failures.test_failed_finish_keeps_the_candidate_until_the_rollback,
}
"""The longest ones come first."""
_AT_ONCE = 4
"""More only slow each other down on two cores."""


@pytest.fixture(scope="module")
async def running(
    site: Site, request: pytest.FixtureRequest
) -> AsyncIterator[Mapping[str, asyncio.Task[None]]]:
    """The selected stories, each in an organisation of its own."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def run(case: Rollout) -> None:
        async with turns, new_scenario(site) as small:
            await small.create(small.hello())
            await case(small)

    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    tasks = {name: asyncio.create_task(run(case)) for name, case in _ROLLOUTS.items() if name in chosen}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", _ROLLOUTS)
async def test_rollout_on_a_node(running: Mapping[str, asyncio.Task[None]], name: str) -> None:
    await running[name]
