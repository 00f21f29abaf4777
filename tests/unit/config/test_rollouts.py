"""The `rollout` of a stage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.config.loader import parse_configuration
from bot.config.rollouts import RolloutPolicy
from bot.model.errors import ConfigurationError
from bot.model.promotion import PromotionState
from bot.model.rollout import Strategy
from bot.promotions.stage_aggregate import STATE_TIMEOUTS

_BASE = "version: 1\nimages: {shop: acme/shop}\nmanifests: {plain: deploy}\n"
_ROUTE = "route: {service: shop, port: 80}\n"


def _policy(text: str) -> RolloutPolicy:
    stages = f"stages:\n  production:\n    rollout: {text}\n"
    return parse_configuration(_BASE + _ROUTE + stages).stages["production"].rollout


def _problem(text: str, route: str = _ROUTE) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(f"{_BASE}{route}stages:\n  production:\n    {text}\n")
    return str(caught.value)


def test_a_stage_rolls_by_default() -> None:
    stage = parse_configuration(_BASE + "stages: {production: {}}").stages["production"]
    assert stage.rollout.strategy is Strategy.ROLLING
    assert not stage.rollout.progressive


@pytest.mark.parametrize("text", ["canary", "{canary: {}}"])
def test_canary_has_the_documented_defaults(text: str) -> None:
    canary = _policy(text).canary
    assert canary is not None
    assert canary.steps == (5, 25, 50, 100)
    assert canary.interval == timedelta(seconds=60)
    analysis = canary.analysis
    assert (analysis.success, analysis.looks, analysis.requests) == (99, 5, 200)
    assert (analysis.pause_after, analysis.roll_back_after) == (timedelta(minutes=15), timedelta(hours=2))


def test_blue_green_keeps_the_stable_revision_for_half_an_hour() -> None:
    policy = _policy("blue_green")
    assert policy.steps == (100,)
    assert policy.blue_green is not None
    assert policy.blue_green.keep == timedelta(minutes=30)


@pytest.mark.parametrize(("text", "seconds"), [("300ms", 0.3), ("1.2s", 1.2), ("5s", 5.0)])
def test_slow_is_a_time_of_a_request(text: str, seconds: float) -> None:
    canary = _policy(f"{{canary: {{analysis: {{slow: {text}}}}}}}").canary
    assert canary is not None
    assert canary.analysis.slow == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fast", "expected `rolling`, `canary` or `blue_green`"),
        ("{}", "expected exactly one of"),
        ("{canary: {}, blue_green: {}}", "expected exactly one of"),
        ("{rolling: {}}", "write `rollout: rolling`"),
        ("{canary: {steps: [50]}}", "the steps must rise and end with 100"),
        ("{canary: {steps: [50, 20, 100]}}", "the steps must rise and end with 100"),
        ("{canary: {steps: [5, 5, 100]}}", "the steps must rise and end with 100"),
        ("{canary: {steps: [0, 100]}}", "must be 1 or more"),
        ("{canary: {steps: [100]}}", "add a step below it, or use `blue_green`"),
        ("{canary: {steps: []}}", "at least 1"),
        ("{canary: {interval: 0s}}", "expected a duration"),
        ("{canary: {steps: [5, 200]}}", "must be 100 or less"),
        ("{canary: {interval: 2h}}", "must be between 1s and 1h"),
        ("{canary: {interval: 1h, analysis: {looks: 17}}}", "take at least 51h, which must be 48h or less"),
        ("{canary: {analysis: {slow: 3}}}", "expected a time of a request"),
        ("{canary: {analysis: {success: 100}}}", "must be less than 100"),
        ("{canary: {analysis: {address: x}}}", "unknown field"),
        ("{blue_green: {keep: 2d}}", "must be 24h or less"),
    ],
)
def test_errors_name_line_and_field(text: str, words: str) -> None:
    problem = _problem(f"rollout: {text}")
    assert ".greenroom.yml, line 7, stages.production.rollout" in problem
    assert words in problem


def test_the_longest_canary_ends_before_its_promotion_times_out() -> None:
    canary = _policy("{canary: {interval: 1h, analysis: {looks: 16}}}").canary
    assert canary is not None
    analysis = canary.interval * canary.analysis.looks * (len(canary.steps) - 1)
    assert analysis + canary.analysis.roll_back_after < STATE_TIMEOUTS[PromotionState.ROLLING_OUT]


@pytest.mark.parametrize("strategy", ["canary", "blue_green"])
def test_two_revisions_need_a_route(strategy: str) -> None:
    assert "needs a `route` or `routes`" in _problem(f"rollout: {strategy}", route="")


def test_an_ephemeral_stage_has_nothing_to_compare_with() -> None:
    problem = _problem("ephemeral: true\n    rollout: canary")
    assert "nothing to compare it with" in problem
