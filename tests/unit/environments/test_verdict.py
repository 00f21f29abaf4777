"""The verdict about a step of a rollout."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.environments.rollouts.exact_test import share_exceeds, share_is_higher
from bot.environments.rollouts.verdict import Criteria, Verdict, after_look, after_provider_error, grade
from bot.model.rollout import Counts, Decision, Grade, Quantity, StepCounts
from tests.unit.environments.rollout_simulation import Traffic, simulate

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_CRITERIA = Criteria()


def _looks(*looks: tuple[Counts, Counts], criteria: Criteria = _CRITERIA) -> list[Verdict]:
    """The verdicts of looks a minute apart, each with the counts of stable and candidate."""
    step, verdicts = StepCounts(_START), []
    for number, (stable, candidate) in enumerate(looks, 1):
        verdict = after_look(step, stable, candidate, criteria, _START + number * _MINUTE)
        step = verdict.step
        verdicts.append(verdict)
    return verdicts


def _hypergeometric_tail(events: int, of: int, other_events: int, of_others: int) -> float:
    """Fisher's test in whole numbers."""
    total, everything = events + other_events, of + of_others
    ways = sum(
        math.comb(total, k) * math.comb(everything - total, of - k) for k in range(events, min(total, of) + 1)
    )
    return float(Fraction(ways, math.comb(everything, of)))


_SMALL = st.integers(1, 60)


@given(_SMALL, _SMALL, st.data())
def test_shares_are_compared_exactly(of: int, of_others: int, data: st.DataObject) -> None:
    events, others = data.draw(st.integers(0, of)), data.draw(st.integers(0, of_others))
    expected = _hypergeometric_tail(events, of, others, of_others)
    assert math.isclose(share_is_higher(events, of, others, of_others), expected, rel_tol=1e-6)


@given(_SMALL, st.floats(0.001, 0.999), st.data())
def test_a_share_is_compared_with_a_number_exactly(of: int, share: float, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, of))
    terms = (math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(events, of + 1))
    assert math.isclose(share_exceeds(events, of, share), sum(terms), rel_tol=1e-6, abs_tol=1e-12)


def test_large_counts_are_compared_without_overflow() -> None:
    assert share_is_higher(10_000, 1_000_000, 10_000, 1_000_000) == pytest.approx(0.5, abs=0.01)
    assert share_is_higher(0, 1_000_000, 900_000, 1_000_000) == pytest.approx(1.0)
    assert share_is_higher(900_000, 1_000_000, 0, 1_000_000) < 1e-100
    assert share_exceeds(1_000, 1_000_000, 0.5) == pytest.approx(1.0)


@pytest.mark.parametrize("empty", [(0, 0, 5, 10), (5, 10, 0, 0), (0, 10, 0, 10)])
def test_empty_counts_show_nothing(empty: tuple[int, int, int, int]) -> None:
    assert share_is_higher(*empty) == 1.0


def test_three_times_the_errors_roll_back_at_once() -> None:
    [verdict] = _looks((Counts(10_000, 100), Counts(600, 30)))
    assert verdict.decision is Decision.ROLL_BACK
    assert verdict.look is not None
    assert verdict.look.grade is Grade.MUCH_WORSE


def test_fewer_than_twenty_errors_do_not_roll_back_at_once() -> None:
    [verdict] = _looks((Counts(10_000, 10), Counts(600, 19)))
    assert verdict.decision is Decision.WAIT


def test_errors_beside_a_stable_side_without_requests_do_not_roll_back() -> None:
    [verdict] = _looks((Counts(), Counts(1000, 30)))
    assert verdict.decision is Decision.WAIT


def test_two_soft_failures_in_a_row_roll_back() -> None:
    worse = (Counts(2000, 20), Counts(1000, 25))
    first, second = _looks(worse, worse)
    assert (first.decision, second.decision) == (Decision.WAIT, Decision.ROLL_BACK)
    assert second.look is not None
    assert second.look.quantity is Quantity.ERRORS


def test_a_good_look_between_soft_failures_starts_again() -> None:
    worse, good = (Counts(2000, 20), Counts(1000, 25)), (Counts(20_000, 200), Counts(10_000, 90))
    decisions = [verdict.decision for verdict in _looks(worse, good, worse)]
    assert Decision.ROLL_BACK not in decisions


def test_a_step_needs_five_looks() -> None:
    good = (Counts(1000, 0), Counts(1000, 0))
    assert [verdict.decision for verdict in _looks(*[good] * 5)] == [Decision.WAIT] * 4 + [Decision.ADVANCE]


@pytest.mark.parametrize("few", [(Counts(199), Counts(5000)), (Counts(5000), Counts(199))])
def test_a_step_needs_requests_on_both_sides(few: tuple[Counts, Counts]) -> None:
    criteria = Criteria(looks=1)
    assert grade(*few, criteria).grade is Grade.FEW
    assert _looks(few, criteria=criteria)[0].decision is Decision.WAIT


def test_counts_add_up_within_a_step() -> None:
    part = (Counts(40, 0, {"0.1": 30}), Counts(40, 1, {"0.1": 20}))
    last = _looks(*[part] * 5)[-1]
    assert last.step.stable == Counts(200, 0, {"0.1": 150})
    assert last.step.candidate == Counts(200, 5, {"0.1": 100})


def test_the_success_goal_fails_a_candidate_and_is_waived_for_a_worse_stable_side() -> None:
    candidate = Counts(10_000, 160)
    assert grade(Counts(300, 3), candidate, Criteria()).quantity is Quantity.SUCCESS
    assert grade(Counts(300, 4), candidate, Criteria()).grade is Grade.GOOD


def test_slow_requests_are_compared_above_a_bound_of_the_histogram() -> None:
    stable = Counts(1000, 0, {"0.1": 900, "0.3": 990, "+Inf": 1000})
    candidate = Counts(1000, 0, {"0.1": 850, "0.3": 900, "+Inf": 1000})
    assert grade(stable, candidate, Criteria(slow=0.3)).quantity is Quantity.SLOW
    assert grade(stable, candidate, Criteria()).grade is Grade.GOOD
    assert candidate.slower_than(0.2) is None


def test_a_step_without_traffic_pauses_and_then_rolls_back() -> None:
    step = StepCounts(_START, looks=20)
    pauses = after_look(step, Counts(), Counts(), _CRITERIA, _START + timedelta(minutes=15))
    ends = after_look(step, Counts(), Counts(), _CRITERIA, _START + timedelta(hours=2))
    assert (pauses.decision, ends.decision) == (Decision.PAUSE, Decision.ROLL_BACK)


def test_good_looks_are_never_inconclusive() -> None:
    """Long intervals, or a bot that was stopped."""
    step, good = StepCounts(_START), Counts(1000, 0)
    for number in range(1, 5):
        verdict = after_look(step, good, good, _CRITERIA, _START + number * timedelta(hours=1))
        assert verdict.decision is Decision.WAIT
        step = verdict.step
    last = after_look(step, good, good, _CRITERIA, _START + timedelta(hours=5))
    assert last.decision is Decision.ADVANCE


def test_four_provider_errors_in_a_row_pause() -> None:
    verdict = Verdict(Decision.WAIT, StepCounts(_START))
    for number in range(1, 5):
        assert verdict.decision is Decision.WAIT
        verdict = after_provider_error(verdict.step, _CRITERIA, _START + number * _MINUTE)
    assert verdict.decision is Decision.PAUSE


def test_an_answer_ends_a_row_of_provider_errors() -> None:
    step = replace(StepCounts(_START), provider_errors=3)
    answered = after_look(step, Counts(10), Counts(10), _CRITERIA, _START + _MINUTE)
    assert after_provider_error(answered.step, _CRITERIA, _START + _MINUTE).decision is Decision.WAIT


def test_a_counter_that_starts_again_counts_from_zero() -> None:
    assert Counts(120, 3, {"1": 100}).since(Counts(100, 1, {"1": 90})) == Counts(20, 2, {"1": 10})
    assert Counts(7, 0, {"1": 6}).since(Counts(100, 1, {"1": 90})) == Counts(7, 0, {"1": 6})


_counts = st.integers(0, 100_000).flatmap(
    lambda requests: st.integers(0, requests).map(lambda errors: Counts(requests, errors))
)


@given(_counts, _counts)
def test_a_candidate_that_is_not_worse_never_fails(stable: Counts, candidate: Counts) -> None:
    look = grade(stable, candidate, Criteria())
    if candidate.error_share <= stable.error_share:
        assert look.grade in (Grade.GOOD, Grade.FEW)


@given(_counts, _counts)
def test_a_failing_look_has_its_numbers(stable: Counts, candidate: Counts) -> None:
    look = grade(stable, candidate, Criteria())
    if look.grade in (Grade.WORSE, Grade.MUCH_WORSE):
        assert look.quantity is not None
        assert look.chance <= 0.001
        assert (look.stable, look.candidate) == (stable, candidate)


def _series(traffic: Traffic, runs: int) -> tuple[float, float, float]:
    """Shares of runs that roll back, that do so within two looks, and before 50 % weight."""
    chance = random.Random(20260101)
    endings = [simulate(traffic, chance) for _ in range(runs)]
    rolled_back = [ending for ending in endings if ending.rolled_back]
    quickly = sum(ending.looks <= 2 for ending in rolled_back)
    early = sum(ending.weight < 50 for ending in rolled_back)
    return len(rolled_back) / runs, quickly / runs, early / runs


@pytest.mark.parametrize("errors", [0.001, 0.01, 0.02])
def test_equal_versions_are_kept(errors: float) -> None:
    rolled_back, _, _ = _series(Traffic(20, errors, errors), 100)
    assert rolled_back <= 0.02


def test_five_times_the_errors_are_found_within_two_looks() -> None:
    _, quickly, _ = _series(Traffic(200, 0.01, 0.05), 100)
    assert quickly >= 0.99


def test_twice_the_errors_are_found_before_half_of_the_traffic() -> None:
    _, _, early = _series(Traffic(50, 0.01, 0.02), 60)
    assert early >= 0.8


@pytest.mark.soak
@pytest.mark.parametrize("rate", [20, 50, 200])
@pytest.mark.parametrize("errors", [0.001, 0.01, 0.02])
def test_equal_versions_are_kept_in_500_runs(errors: float, rate: int) -> None:
    rolled_back, _, _ = _series(Traffic(rate, errors, errors), 500)
    assert rolled_back <= 0.02


@pytest.mark.soak
def test_worse_versions_are_found_in_500_runs() -> None:
    assert _series(Traffic(200, 0.01, 0.05), 500)[1] >= 0.99
    assert _series(Traffic(50, 0.01, 0.02), 500)[2] >= 0.8
