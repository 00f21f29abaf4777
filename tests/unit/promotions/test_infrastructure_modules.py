"""A stage's module can be in another repository, at a commit that is part of what is approved."""

from __future__ import annotations

import pytest

from bot.github.messages.promotion import comment
from bot.model.plan import PinnedModule, approvable_digest
from bot.model.promotion import PromotionState
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.test_infrastructure_plans import (
    CONFIGURED,
    STAGING,
    WITH_QUEUE,
    WITHOUT_QUEUE,
    Staging,
)

FIRST, MOVED, NEXT = "1" * 40, "2" * 40, "c" * 40


class OtherRepository(Staging):
    """A stage whose module has tags."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store, clock)
        self.github.modules = {FIRST: WITHOUT_QUEUE, MOVED: WITH_QUEUE, NEXT: WITH_QUEUE}
        self.github.module_tags = {"v1": FIRST, "v2": NEXT}

    def set_module(self, ref: str, section: str) -> None:
        source = f"{{repository: acme/modules, ref: {ref}, path: infra}}"
        text = CONFIGURED.replace("terraform: infra", f"terraform: {source}")
        self.configure(text.replace("STAGING", section))


@pytest.fixture
async def staging(sqlite_store: Store, clock: ManualClock) -> OtherRepository:
    simulation = OtherRepository(sqlite_store, clock)
    await simulation.begin()
    return simulation


async def test_tag_is_resolved_once_and_its_commit_is_approved(staging: OtherRepository) -> None:
    staging.set_module("v1", "{approvals: {count: 1}}")
    promotion = await staging.promote("a")
    assert promotion.state is PromotionState.AWAITING_APPROVAL
    assert "of `acme/modules` at `v1`, `1111111`" in comment(promotion)
    staging.github.module_tags["v1"] = MOVED
    staging.clock.advance(60)
    await staging.settle()
    await staging.approve("bea")
    assert (await staging.promotion()).state is PromotionState.SUCCEEDED
    assert set(staging.terraform.resources) == {"database"}
    target = (await staging.record()).target
    assert target is not None
    assert target.module == PinnedModule("acme/modules", "v1", FIRST)


async def test_rollback_runs_the_earlier_commit_of_a_tag_that_moved(staging: OtherRepository) -> None:
    staging.set_module("v1", "{infrastructure: {destroy: allow}}")
    assert (await staging.promote("a")).state is PromotionState.SUCCEEDED
    staging.github.module_tags["v1"] = MOVED
    assert (await staging.promote("b")).state is PromotionState.SUCCEEDED
    assert set(staging.terraform.resources) == {"database", "queue"}, "another promotion resolves it again"
    await staging.command("rollback", "staging", "dora", "a")
    await staging.settle()
    assert (await staging.promotion()).state is PromotionState.ROLLED_BACK
    assert set(staging.terraform.resources) == {"database"}


async def test_full_sha_is_not_resolved(staging: OtherRepository) -> None:
    staging.github.module_tags = {}
    staging.set_module(NEXT, "{}")
    promotion = await staging.promote("a")
    assert promotion.state is PromotionState.SUCCEEDED
    assert promotion.plan is not None
    assert promotion.plan.module == PinnedModule("acme/modules", NEXT, NEXT)
    assert "of `acme/modules` at `ccccccc`" in comment(promotion)
    environment = await staging.store.environments.get(STAGING)
    assert environment is not None
    assert environment.attempt.module == promotion.plan.module


def test_digest_covers_the_commit() -> None:
    pinned = [PinnedModule("acme/modules", "v1", commit) for commit in (FIRST, MOVED)]
    digests = {approvable_digest("digest", module) for module in (None, *pinned)}
    assert len(digests) == 3
    assert "digest" in digests, "a module of the release itself is covered by the release"
