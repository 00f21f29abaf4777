"""Locks, holds, freezes, hosts and other promotions that keep a promotion from its stage."""

from datetime import timedelta

from bot.model.promotion import PromotionState as State
from bot.promotions import stage_actions
from tests.unit.promotions.stage_fixtures import (
    PIPELINE,
    VERIFIED,
    Stages,
    facts,
    refused,
    release,
)


def test_freeze_queues_a_promotion_until_its_end(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 11:00, until: wed 18:00, zone: Europe/Berlin}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.request("integration")
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(hours=4, minutes=59)
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(minutes=1)
    assert stages.step("integration", facts(text=text)) is State.DEPLOYING


HOSTED = PIPELINE.replace("integration: {}", "integration: {host: shop.example.com}")


def test_ungranted_host_is_rejected(stages: Stages) -> None:
    stages.request("integration")
    reason = ".greenroom.yml, line 7, stages.integration.host: shop.example.com is not granted"
    assert stages.step("integration", facts(text=HOSTED, host_objection=reason)) is State.REJECTED
    assert stages.promotion("integration").reason == reason


def test_host_in_use_blocks_another_stage(stages: Stages) -> None:
    stages.run("integration", release(), "p1", text=HOSTED)
    moved = PIPELINE.replace("security: {}", "security: {host: shop.example.com}")
    stages.request("security", id="p2")
    assert stages.step("security", facts(text=moved), "p2") is State.GATING
    [gate] = [gate for gate in stages.promotion("security", "p2").gates if not gate.passed]
    assert gate.reason.startswith("stage integration uses the host shop.example.com")
    stages.run("integration", release(), "p3", text=moved)
    assert stages.step("security", facts(text=moved), "p2") is State.DEPLOYING


def test_lock_blocks_others_until_it_expires(stages: Stages) -> None:
    until = stages.now + timedelta(hours=2)
    locked = stage_actions.lock(stages.aggregate("integration"), "bea", until, "load test", stages.now)
    stages.aggregates["integration"] = locked
    stages.request("integration", by="ada")
    assert stages.step("integration", facts()) is State.REJECTED
    assert "load test" in stages.promotion("integration").reason
    with refused("only bea or a user"):
        stage_actions.unlock(stages.aggregate("integration"), "ada", False, stages.now)
    stages.run("integration", release(), "p2", by="bea")
    stages.later(hours=2)
    stages.run("integration", release("b"), "p3", by="ada")


def test_hold_blocks_only_automatic_promotions(stages: Stages) -> None:
    stages.aggregates["integration"] = stage_actions.hold(
        stages.aggregate("integration"), "bea", "", stages.now
    )
    stages.request("integration", by="")
    assert stages.step("integration", facts()) is State.REJECTED
    stages.run("integration", release("b"), "p2")
    stages.aggregates["integration"] = stage_actions.unhold(
        stages.aggregate("integration"), "bea", stages.now
    )
    stages.request("integration", by="", id="p3")
    assert stages.step("integration", facts(), "p3") is State.DEPLOYING


def test_second_request_of_a_stage_is_rejected(stages: Stages) -> None:
    stages.request("integration", by="ada", id="p1")
    stages.request("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.REJECTED
    assert "ada already requested a promotion" in stages.promotion("integration", "p2").reason
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING


def test_automatic_promotion_supersedes_only_automatic_ones(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 00:00, until: thu 00:00, zone: UTC}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.request("integration", by="", id="p1")
    assert stages.step("integration", facts(text=text), "p1") is State.QUEUED
    stages.later(minutes=1)
    stages.request("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.QUEUED
    assert stages.state("integration", "p1") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.request("integration", by="ada", id="p3")
    assert stages.step("integration", facts(release("c"), text), "p3") is State.QUEUED
    assert stages.state("integration", "p2") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.request("integration", by="", id="p4")
    stages.step("integration", facts(release("d"), text), "p4")
    assert stages.state("integration", "p3") is State.QUEUED


def test_queued_promotion_names_the_active_one(stages: Stages) -> None:
    stages.request("integration", by="", id="p1")
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING
    stages.later(minutes=1)
    stages.request("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.QUEUED
    [waits] = [gate for gate in stages.promotion("integration", "p2").gates if not gate.passed]
    assert waits.reason == "integration is busy: promotion p1 by the pipeline is active"


def test_soaking_automatic_promotion_is_superseded(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1d}")
    stages.request("integration", by="", id="p1")
    stages.step("integration", facts(text=text), "p1")
    stages.step("integration", facts(text=text, progress=VERIFIED), "p1")
    stages.later(minutes=1)
    stages.request("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.DEPLOYING
    assert stages.state("integration", "p1") is State.SUPERSEDED
