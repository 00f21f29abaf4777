"""The cluster of a stage: granted to the repository, and changed only with a confirmation."""

from __future__ import annotations

import pytest

from bot.environments.policy import Policy
from bot.model.clusters import ClusterGrant, ClusterGrants
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind
from bot.model.promotion import Promotion, PromotionState
from bot.model.release import PromotableRelease
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP, release

FIRST, SECOND = release("a"), release("b")
GRANTS = ClusterGrants(
    (
        ClusterGrant("main"),
        ClusterGrant("prod", ("acme/shop",), frozenset({EnvironmentKind.STAGE})),
        ClusterGrant("hidden", ("acme/other",)),
    )
)
INTEGRATION = EnvironmentKey.stage(SHOP.id, "integration")


def on(name: str) -> str:
    return PIPELINE.replace("integration: {}", f"integration: {{cluster: {name}}}")


class Moving:
    """A repository whose stage is promoted on one cluster and then on another."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.simulation = PromotionSimulation(store, clock, policy=Policy(clusters=GRANTS))

    async def promote(self, subject: PromotableRelease, pipeline: str, *, moves: bool = False) -> Promotion:
        simulation = self.simulation
        await self.store.releases.keep(subject)
        simulation.github.configuration = pipeline
        requester = simulation.requester("ada")
        requested = await simulation.service.promote(requester, "integration", subject.id, moves=moves)
        await simulation.work(60)
        return await self.stored(requested)

    async def stored(self, promotion: Promotion) -> Promotion:
        stored = await self.store.promotions.get(promotion.id)
        assert stored is not None
        return stored

    async def environment(self) -> Environment:
        environment = await self.store.environments.get(INTEGRATION)
        assert environment is not None
        return environment


@pytest.fixture
def moving(store: Store, clock: ManualClock) -> Moving:
    return Moving(store, clock)


async def test_stage_runs_on_the_default_cluster_or_the_one_that_it_names(moving: Moving) -> None:
    assert (await moving.promote(FIRST, PIPELINE)).state is PromotionState.SUCCEEDED
    assert (await moving.environment()).cluster == "main"


@pytest.mark.parametrize("name", ["hidden", "absent"])
async def test_other_clusters_are_refused_alike(moving: Moving, name: str) -> None:
    promotion = await moving.promote(FIRST, on(name))
    assert promotion.state is PromotionState.REJECTED
    assert f"The cluster {name} is not available to stages of this repository" in promotion.reason
    assert "Available: `main`, `prod`." in promotion.reason
    assert moving.simulation.cluster.ran == []


async def test_move_needs_a_confirmation(moving: Moving) -> None:
    await moving.promote(FIRST, PIPELINE)
    refused = await moving.promote(SECOND, on("prod"))
    assert refused.state is PromotionState.REJECTED
    assert "integration runs on the cluster main, and `.greenroom.yml` names prod" in refused.reason
    assert "`/promote integration --move`" in refused.reason
    assert (await moving.environment()).cluster == "main"

    moved = await moving.promote(SECOND, on("prod"), moves=True)
    assert (moved.state, moved.moved_from) == (PromotionState.SUCCEEDED, "main")
    assert (await moving.environment()).cluster == "prod"


async def test_rollback_after_a_move_stays_on_the_new_cluster(moving: Moving) -> None:
    await moving.promote(FIRST, PIPELINE)
    await moving.promote(SECOND, on("prod"), moves=True)
    rollback = await moving.simulation.service.rollback(moving.simulation.requester("ada"), "integration")
    await moving.simulation.work(60)
    assert (await moving.stored(rollback)).state is PromotionState.ROLLED_BACK
    environment = await moving.environment()
    assert environment.cluster == "prod"
    assert environment.overrides.target is not None
    assert environment.overrides.target.release == FIRST


async def test_aborted_move_returns_to_the_old_cluster(moving: Moving) -> None:
    await moving.promote(FIRST, PIPELINE)
    simulation = moving.simulation
    await moving.store.releases.keep(SECOND)
    simulation.github.configuration = on("prod")
    requested = await simulation.service.promote(
        simulation.requester("ada"), "integration", SECOND.id, moves=True
    )
    for _ in range(20):
        await simulation.work(1)
        if (await moving.stored(requested)).state is PromotionState.DEPLOYING:
            break
    if (await moving.stored(requested)).state is PromotionState.SUCCEEDED:
        pytest.fail("the promotion ended before it could be aborted")
    assert (await moving.environment()).cluster == "prod"
    await simulation.service.abort(simulation.requester("ada"), "integration", "")
    await simulation.work(60)
    assert (await moving.environment()).cluster == "main"
