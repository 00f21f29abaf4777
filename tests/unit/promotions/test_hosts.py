"""A stage with its own host: the grant is checked at the gates and again at the rollout."""

from __future__ import annotations

import pytest

from bot.environments.policy import Policy
from bot.model.environment import EnvironmentKey
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.manifest import Answer
from bot.model.promotion import Promotion, PromotionState
from bot.model.release import PromotableRelease, Release
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP, release

HOST = "shop.example.com"
HOSTED = PIPELINE.replace("stages:", "route: {service: shop, port: 80}\nstages:").replace(
    "integration: {}", f"integration: {{host: {HOST}}}"
)
OURS = release("a")
GRANTED = HostGrants({"acme/shop": (HOST,)})


async def promoted(simulation: PromotionSimulation, subject: PromotableRelease = OURS) -> Promotion:
    """The ended promotion to the stage with the host."""
    await simulation.store.releases.keep(subject)
    simulation.github.configuration = HOSTED
    simulation.gateway.answer = Answer(200, Release(subject.commit, subject.images, "{}").id)
    requested = await simulation.service.promote(simulation.requester("ada"), "integration", subject.id)
    await simulation.work(60)
    stored = await simulation.store.promotions.get(requested.id)
    assert stored is not None
    return stored


async def test_granted_host_is_the_url_of_the_stage(store: Store, clock: ManualClock) -> None:
    promotion = await promoted(PromotionSimulation(store, clock, policy=Policy(hosts=GRANTED), hosts=GRANTED))
    assert (promotion.state, promotion.url) == (PromotionState.SUCCEEDED, f"https://{HOST}")


@pytest.mark.parametrize(
    ("judged", "carried_out", "state"),
    [
        (NO_HOSTS, NO_HOSTS, PromotionState.REJECTED),
        (GRANTED, NO_HOSTS, PromotionState.FAILED),
    ],
)
async def test_ungranted_host_deploys_nothing(
    store: Store, clock: ManualClock, judged: HostGrants, carried_out: HostGrants, state: PromotionState
) -> None:
    simulation = PromotionSimulation(store, clock, policy=Policy(hosts=carried_out), hosts=judged)
    promotion = await promoted(simulation)
    assert promotion.state is state
    assert f"line 7, stages.integration.host: {HOST} is not granted to this repository" in promotion.reason
    assert simulation.cluster.ran == []


async def test_release_of_a_fork_never_gets_the_host(store: Store, clock: ManualClock) -> None:
    simulation = PromotionSimulation(store, clock, policy=Policy(hosts=GRANTED), hosts=GRANTED)
    promotion = await promoted(simulation, release("e", fork=True))
    assert promotion.state is PromotionState.SUCCEEDED
    environment = await store.environments.get(EnvironmentKey.stage(SHOP.id, "integration"))
    assert environment is not None
    assert environment.status.url == "https://integration-shop-7.preview.example"
