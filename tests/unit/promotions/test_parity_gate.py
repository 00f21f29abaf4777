"""What would run otherwise than where it was verified is let through with a warning, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
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
class Peers:
    """GitHub and the renderer; counts what is read, and refuses when told to."""

    read: int = 0
    refuse: str = ""

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]:
        self.read += 1
        return {}

    async def comparable(self, request: RenderRequest) -> Comparable:
        if self.refuse:
            raise Rejected(self.refuse)
        return Comparable({})


@dataclass
class World(Stages):
    """Stages whose promotions are compared as the promoter does it."""

    peers: Peers = field(default_factory=Peers)

    def look(self, text: str, id: str = "p2", **fields: Any) -> State:
        seen = facts(text=text, **fields)
        return self.step("staging", replace(seen, parity=self.parity(seen, text, id)), id)

    def parity(self, seen: Facts, text: str, id: str) -> Any:
        assert seen.configuration is not None
        one = self.promotion("staging", id)
        stage = policy(one) if one.policy else seen.configuration.configuration.stages["staging"]
        parity_service = ParityService(self.peers, self.peers)  # type: ignore[arg-type]  # both in one
        records = {name: each.stage for name, each in self.boards.items()}
        return asyncio.run(
            parity_service.compare_with_previous(one, stage, release(), seen.configuration, records)
        )


@pytest.fixture
def world() -> World:
    return asked(Peers())


def asked(peers: Peers) -> World:
    """The release is verified on integration, and somebody asked for it on staging."""
    world = World(peers=peers)
    world.run("integration", release(), "p1", text=WARN)
    world.ask("staging", id="p2")
    return world


def test_a_stage_that_blocks_refuses_what_would_run_otherwise_and_says_where(world: World) -> None:
    assert world.look(BLOCK) is State.REJECTED
    ended = world.promotion("staging", "p2")
    assert ended.reason == "staging differs from integration: 1 missing variable"
    assert [each.path for each in ended.parity[0].differences] == ["COLOUR"]
    assert world.running("staging") is None


def test_a_stage_that_warns_lets_it_through_and_remembers_the_difference(world: World) -> None:
    assert world.look(WARN) is State.DEPLOYING
    assert world.promotion("staging", "p2").parity[0].differences
    [gates] = [each for each in world.boards["staging"].audit if each.action == "gates"]
    assert gates.reason == "staging differs from integration: 1 missing variable"


def test_a_stage_that_is_alike_takes_it_without_a_word(world: World) -> None:
    assert world.look(ALIKE) is State.DEPLOYING
    [gates] = [each for each in world.boards["staging"].audit if each.action == "gates"]
    assert gates.reason == "all requirements are met"


def test_what_cannot_be_compared_stops_only_where_a_difference_would(world: World) -> None:
    world.peers.refuse = "There is no manifest in `deploy/` of this commit."
    assert world.look(WARN) is State.DEPLOYING
    assert "There is no manifest" in world.promotion("staging", "p2").parity[0].unknown
    world = asked(world.peers)
    assert world.look(BLOCK) is State.REJECTED
    assert world.promotion("staging", "p2").reason == (
        "staging cannot be compared with integration: There is no manifest in `deploy/` of this commit"
    )


def test_it_waits_while_nothing_was_compared_yet_where_a_difference_would_stop_it(world: World) -> None:
    assert world.step("staging", facts(text=BLOCK), "p2") is State.GATING
    [shut] = [gate for gate in world.promotion("staging", "p2").gates if not gate.passed]
    assert shut.reason == "the comparison with integration is not complete"
    assert world.look(BLOCK) is State.REJECTED


def test_while_it_waits_nothing_is_read_again_until_something_changes(world: World) -> None:
    text = WARN.replace("{after", "{approvals: {count: 1}, after")
    for _ in range(5):
        assert world.look(text) is State.AWAITING_APPROVAL
    assert world.peers.read == 1
    changed = text.replace("{approvals", "{config: {LIMIT: '1'}, approvals")
    for _ in range(5):
        assert world.look(changed) is State.AWAITING_APPROVAL
    assert world.peers.read == 2
    found = world.promotion("staging", "p2").parity[0].differences
    assert [each.path for each in found] == ["COLOUR", "LIMIT"]


def test_it_is_blocked_by_a_change_that_comes_while_it_waits(world: World) -> None:
    text = ALIKE.replace("{config", "{approvals: {count: 1}, config")
    assert world.look(text) is State.AWAITING_APPROVAL
    assert world.look(text.replace("COLOUR: red", "COLOUR: red, LIMIT: '1'")) is State.REJECTED


def test_the_first_stages_are_compared_with_nothing() -> None:
    world = Stages()
    world.ask("integration")
    text = WARN.replace("{config", "{parity: block, config")
    assert world.step("integration", facts(text=text)) is State.DEPLOYING


def test_another_mode_is_no_other_configuration_so_approvals_stand(world: World) -> None:
    text = ALIKE.replace("{config", "{approvals: {count: 2}, config")
    world.look(text)
    world.approve("staging", "p2", "bea")
    digest = world.promotion("staging", "p2").configuration_digest
    world.look(text.replace("parity: block, ", ""))
    assert world.promotion("staging", "p2").configuration_digest == digest
    world.approve("staging", "p2", "cem")
    assert world.look(text) is State.DEPLOYING


def test_two_stages_before_that_one_file_configures_are_compared_each(world: World) -> None:
    text = WARN.replace(
        "  staging: {after: [integration]}", "  security: {}\n  staging: {after: [integration, security]}"
    )
    world = World()
    world.run("integration", release(), "p1", text=text)
    world.run("security", release(), "p2", text=text)
    world.ask("staging", id="p3")
    world.look(text, id="p3")
    alike = {each.left: each.equal for each in world.promotion("staging", "p3").parity}
    assert alike == {"integration": False, "security": True}
