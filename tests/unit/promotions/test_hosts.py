"""A stage at a host of its own: granted when it is judged, and again when it is carried out."""

from __future__ import annotations

import pytest

from bot.environments.context import Policy
from bot.model.environment import EnvironmentKey
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.manifest import Answer
from bot.model.promotion import Promotion, PromotionState
from bot.model.release import PromotableRelease, Release
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, Town
from tests.unit.promotions.stage_fixtures import SHOP, release

HOST = "shop.example.com"
HOSTED = PIPELINE.replace("stages:", "route: {service: shop, port: 80}\nstages:").replace(
    "integration: {}", f"integration: {{host: {HOST}}}"
)
OURS = release("a")
GRANTED = HostGrants({"acme/shop": (HOST,)})


async def promoted(town: Town, about: PromotableRelease = OURS) -> Promotion:
    """What becomes of a promotion to the stage with the host."""
    await town.store.releases.keep(about)
    town.github.configuration = HOSTED
    town.gateway.answer = Answer(200, Release(about.commit, about.images, "{}").id)
    asked = await town.service.promote(town.requester("ada"), "integration", about.id)
    await town.work(60)
    found = await town.store.promotions.get(asked.id)
    assert found is not None
    return found


async def test_a_granted_host_is_where_the_stage_is(store: Store, clock: ManualClock) -> None:
    one = await promoted(Town(store, clock, policy=Policy(hosts=GRANTED), hosts=GRANTED))
    assert (one.state, one.url) == (PromotionState.SUCCEEDED, f"https://{HOST}")


@pytest.mark.parametrize(
    ("judged", "carried_out", "state"),
    [
        (NO_HOSTS, NO_HOSTS, PromotionState.REJECTED),
        (GRANTED, NO_HOSTS, PromotionState.FAILED),
    ],
)
async def test_a_host_that_is_not_granted_is_served_by_nothing(
    store: Store, clock: ManualClock, judged: HostGrants, carried_out: HostGrants, state: PromotionState
) -> None:
    town = Town(store, clock, policy=Policy(hosts=carried_out), hosts=judged)
    one = await promoted(town)
    assert one.state is state
    assert f"line 7, stages.integration.host: {HOST} is not granted to this repository" in one.reason
    assert town.cluster.ran == []


async def test_what_was_built_for_a_fork_is_never_at_it(store: Store, clock: ManualClock) -> None:
    town = Town(store, clock, policy=Policy(hosts=GRANTED), hosts=GRANTED)
    one = await promoted(town, release("e", fork=True))
    assert one.state is PromotionState.SUCCEEDED
    environment = await store.environments.get(EnvironmentKey.stage(SHOP.id, "integration"))
    assert environment is not None
    assert environment.status.url == "https://integration-shop-7.preview.example"
