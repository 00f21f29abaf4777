"""`/replace`: promotions that may delete and recreate objects whose immutable fields changed."""

from __future__ import annotations

from bot.commands.table import Verb, allowed, required_role
from bot.environments.reasons import ImmutableFieldsChanged
from bot.github.messages import promotion as texts
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.promotion import PromotionState as State
from bot.model.release import Target
from bot.model.role import Role
from bot.promotions import stage_actions
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    PIPELINE,
    SHOP,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    promotion,
    release,
)

STAGE = "integration"


def target(stages: Stages) -> Target:
    running = stages.aggregate(STAGE).stage.target
    assert running is not None
    return running


def test_only_maintainers_replace_objects() -> None:
    assert required_role(Verb.REPLACE) is Role.MAINTAIN
    assert not allowed(Verb.REPLACE, Role.WRITE, fork_author=True)


def test_promotion_replaces_objects_only_on_request(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    assert not target(stages).replaces_objects
    stages.request(STAGE, id="p2", replaces_objects=True)
    assert stages.step(STAGE, facts(release("b"), progress=UNDER_WAY), "p2") is State.DEPLOYING
    assert target(stages).replaces_objects
    assert "deletes and recreates" in texts.comment(stages.promotion(STAGE, "p2"))


def test_failed_replacement_is_rolled_back_by_replacing(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    stages.request(STAGE, id="p2", replaces_objects=True)
    stages.step(STAGE, facts(release("b")), "p2")
    assert stages.step(STAGE, facts(release("b"), progress=BROKEN), "p2") is State.ROLLING_BACK
    assert (target(stages).release, target(stages).replaces_objects) == (release("a"), True)


def test_failed_promotion_is_rolled_back_without_replacing(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    stages.request(STAGE, id="p2")
    stages.step(STAGE, facts(release("b")), "p2")
    stages.step(STAGE, facts(release("b"), progress=BROKEN), "p2")
    assert (target(stages).release, target(stages).replaces_objects) == (release("a"), False)


def test_rollback_replaces_what_was_replaced(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    stages.request(STAGE, id="p2", replaces_objects=True)
    stages.step(STAGE, facts(release("b")), "p2")
    stages.step(STAGE, facts(release("b"), progress=VERIFIED), "p2")
    rollback = promotion(STAGE, "grace", "r1", stages.now)
    after = stage_actions.begin_rollback(stages.aggregate(STAGE), rollback, stages.now)
    assert after.stage.target is not None
    assert (after.stage.target.release, after.stage.target.replaces_objects) == (release("a"), True)


def test_pipeline_replaces_nothing(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1", by="", text=PIPELINE)
    assert not target(stages).replaces_objects


def test_refusal_names_the_command_and_never_offers_to_replace_data() -> None:
    stage, preview = EnvironmentKey.stage(SHOP.id, "staging"), EnvironmentKey.preview(SHOP.id, 7)
    selector = ImmutableFieldsChanged("Deployment", "web", ("spec.selector",), stage)
    assert describe(selector) == (
        "Kubernetes cannot change `spec.selector` of Deployment web. "
        "`/replace staging` deletes and recreates the object, which restarts its pods."
    )
    for key in (stage, preview):
        claim = describe(ImmutableFieldsChanged("PersistentVolumeClaim", "data", ("spec",), key))
        assert "Data is never replaced" in claim
        assert "/replace" not in claim
