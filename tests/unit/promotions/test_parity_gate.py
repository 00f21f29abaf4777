"""A release that would run differently than verified gets a warning or is rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.model.errors import Rejected
from bot.model.manifest import RenderRequest
from bot.model.parity import Comparable
from bot.model.promotion import PromotionState as State
from bot.model.repository import Repository
from bot.promotions.facts import Facts
from bot.promotions.parity_service import ParityService
from bot.promotions.pipeline import policy
from tests.unit.promotions.stage_fixtures import Stages, facts, release

WARN = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  integration: {config: {COLOUR: blue}}
  staging: {after: [integration]}
"""
BLOCK = WARN.replace("{after", "{parity: block, after")
ALIKE = BLOCK.replace("{parity", "{config: {COLOUR: red}, parity")


@dataclass
class FakeReaders:
    """GitHub and the renderer; counts reads, and rejects with `refuse`."""

    read: int = 0
    refuse: str = ""

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        self.read += 1
        return {}

    async def comparable(self, request: RenderRequest) -> Comparable:
        if self.refuse:
            raise Rejected(self.refuse)
        return Comparable({})


@dataclass
class World(Stages):
    """Stages whose promotions are compared as the reconciler does it."""

    readers: FakeReaders = field(default_factory=FakeReaders)

    def compare_and_step(self, text: str, id: str = "p2", **fields: Any) -> State:
        seen = facts(text=text, **fields)
        return self.step("staging", replace(seen, parity=self.parity(seen, text, id)), id)

    def parity(self, seen: Facts, text: str, id: str) -> Any:
        assert seen.configuration is not None
        subject = self.promotion("staging", id)
        stage = policy(subject) if subject.policy else seen.configuration.configuration.stages["staging"]
        parity_service = ParityService(self.readers, lambda cluster: self.readers)  # type: ignore[arg-type]  # both in one
        records = {name: stored.stage for name, stored in self.aggregates.items()}
        return asyncio.run(
            parity_service.compare_with_previous(subject, stage, release(), seen.configuration, records)
        )


@pytest.fixture
def world() -> World:
    return requested_world(FakeReaders())


def requested_world(readers: FakeReaders) -> World:
    """The release is verified on integration and requested for staging."""
    world = World(readers=readers)
    world.run("integration", release(), "p1", text=WARN)
    world.request("staging", id="p2")
    return world


def test_blocking_stage_rejects_differences(world: World) -> None:
    assert world.compare_and_step(BLOCK) is State.REJECTED
    ended = world.promotion("staging", "p2")
    assert ended.reason == "staging differs from integration: 1 missing variable"
    assert [difference.path for difference in ended.parity[0].differences] == ["COLOUR"]
    assert world.running("staging") is None


def test_warning_stage_records_differences(world: World) -> None:
    assert world.compare_and_step(WARN) is State.DEPLOYING
    assert world.promotion("staging", "p2").parity[0].differences
    [gates] = [entry for entry in world.aggregates["staging"].audit if entry.action == "gates"]
    assert gates.reason == "staging differs from integration: 1 missing variable"


def test_equal_stage_passes_without_warning(world: World) -> None:
    assert world.compare_and_step(ALIKE) is State.DEPLOYING
    [gates] = [entry for entry in world.aggregates["staging"].audit if entry.action == "gates"]
    assert gates.reason == "all requirements are met"


def test_failed_comparison_blocks_only_a_blocking_stage(world: World) -> None:
    world.readers.refuse = "There is no manifest in `deploy/` of this commit."
    assert world.compare_and_step(WARN) is State.DEPLOYING
    assert "There is no manifest" in world.promotion("staging", "p2").parity[0].unknown
    world = requested_world(world.readers)
    assert world.compare_and_step(BLOCK) is State.REJECTED
    assert world.promotion("staging", "p2").reason == (
        "staging cannot be compared with integration: There is no manifest in `deploy/` of this commit"
    )


def test_blocking_stage_waits_for_the_comparison(world: World) -> None:
    assert world.step("staging", facts(text=BLOCK), "p2") is State.GATING
    [shut] = [gate for gate in world.promotion("staging", "p2").gates if not gate.passed]
    assert shut.reason == "the comparison with integration is not complete"
    assert world.compare_and_step(BLOCK) is State.REJECTED


def test_comparison_is_repeated_only_after_a_change(world: World) -> None:
    text = WARN.replace("{after", "{approvals: {count: 1}, after")
    for _ in range(5):
        assert world.compare_and_step(text) is State.AWAITING_APPROVAL
    assert world.readers.read == 2, "once for each side"
    changed = text.replace("{approvals", "{config: {LIMIT: '1'}, approvals")
    for _ in range(5):
        assert world.compare_and_step(changed) is State.AWAITING_APPROVAL
    assert world.readers.read == 4
    differences = world.promotion("staging", "p2").parity[0].differences
    assert [difference.path for difference in differences] == ["COLOUR", "LIMIT"]


def test_change_during_the_wait_is_compared(world: World) -> None:
    text = ALIKE.replace("{config", "{approvals: {count: 1}, config")
    assert world.compare_and_step(text) is State.AWAITING_APPROVAL
    assert world.compare_and_step(text.replace("COLOUR: red", "COLOUR: red, LIMIT: '1'")) is State.REJECTED


def test_first_stage_is_not_compared() -> None:
    world = Stages()
    world.request("integration")
    text = WARN.replace("{config", "{parity: block, config")
    assert world.step("integration", facts(text=text)) is State.DEPLOYING


def test_changed_parity_mode_keeps_approvals(world: World) -> None:
    text = ALIKE.replace("{config", "{approvals: {count: 2}, config")
    world.compare_and_step(text)
    world.approve("staging", "p2", "bea")
    digest = world.promotion("staging", "p2").configuration_digest
    world.compare_and_step(text.replace("parity: block, ", ""))
    assert world.promotion("staging", "p2").configuration_digest == digest
    world.approve("staging", "p2", "cem")
    assert world.compare_and_step(text) is State.DEPLOYING


def test_stage_is_compared_with_each_predecessor(world: World) -> None:
    text = WARN.replace(
        "  staging: {after: [integration]}", "  security: {}\n  staging: {after: [integration, security]}"
    )
    world = World()
    world.run("integration", release(), "p1", text=text)
    world.run("security", release(), "p2", text=text)
    world.request("staging", id="p3")
    world.compare_and_step(text, id="p3")
    alike = {comparison.left: comparison.equal for comparison in world.promotion("staging", "p3").parity}
    assert alike == {"integration": False, "security": True}


OVERLAY = WARN.replace("stages:", "preview: {manifests: {plain: [preview/]}}\nstages:")


def preview_comparison(world: Stages, readers: FakeReaders, text: str) -> Any:
    service = ParityService(readers, lambda cluster: readers)  # type: ignore[arg-type]  # both in one
    snapshot = facts(text=text).configuration
    assert snapshot is not None
    subject = world.promotion("integration", "p1")
    return asyncio.run(service.compare_with_preview(subject, release(), snapshot))


def test_additions_of_previews_are_reported_and_block_nothing() -> None:
    world = Stages()
    world.request("integration", id="p1")
    text = OVERLAY.replace("{config", "{parity: block, config")
    compared = preview_comparison(world, FakeReaders(), text)
    assert world.step("integration", facts(text=text, parity=compared), "p1") is State.DEPLOYING
    [kept] = world.promotion("integration", "p1").parity
    assert (kept.left, kept.right, kept.equal) == ("preview", "integration", False)


def test_previews_that_run_the_production_manifests_are_not_compared() -> None:
    world = Stages()
    world.request("integration", id="p1")
    readers = FakeReaders()
    assert preview_comparison(world, readers, WARN) == ()
    assert readers.read == 0
