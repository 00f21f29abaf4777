"""A finding counts when it is seen twice in a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import given

from bot.infrastructure.drift.detection import failed, healed, may_heal, observed
from bot.model.drift import Comparison, DriftKind, DriftRecord, DriftState, Finding, Heal, Unreadable
from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository

NOW = datetime(2030, 1, 2, tzinfo=UTC)
NEW = DriftRecord(EnvironmentKey.stage(10, "staging"), Repository(10, 20, "acme", "shop"))
REPLICAS = Finding(DriftKind.CHANGED, "Deployment/shop", "spec.replicas", "2", "5")
CONFIG = Finding(DriftKind.ADDED_OBJECT, "ConfigMap/notes")
MINUTE = timedelta(minutes=1)
UNREADABLE = (Unreadable("ConfigMap", "refused"),)


def rounds(*comparisons: Comparison, deployment: str = "1") -> DriftRecord:
    record = NEW
    for number, comparison in enumerate(comparisons):
        record = observed(record, comparison, deployment, NOW + number * MINUTE)
    return record


def test_stage_that_was_never_compared_is_unknown():
    assert NEW.state is DriftState.UNKNOWN


def test_finding_counts_when_it_is_seen_twice():
    once = rounds(Comparison((REPLICAS,)))
    assert (once.state, once.suspected, once.confirmed) == (DriftState.CLEAN, (REPLICAS,), ())
    twice = rounds(Comparison((REPLICAS,)), Comparison((REPLICAS,)))
    assert (twice.state, twice.confirmed, twice.since) == (DriftState.DRIFTED, (REPLICAS,), NOW + MINUTE)


def test_finding_between_clean_comparisons_does_not_count():
    record = rounds(Comparison((REPLICAS,)), Comparison(), Comparison((REPLICAS,)), Comparison())
    assert (record.state, record.confirmed) == (DriftState.CLEAN, ())


def test_drift_ends_with_the_first_clean_comparison():
    record = rounds(Comparison((REPLICAS,)), Comparison((REPLICAS,)), Comparison())
    assert (record.state, record.since) == (DriftState.CLEAN, None)


def test_confirmed_drift_stays_while_its_object_is_unreadable():
    drifted = (Comparison((REPLICAS, CONFIG)), Comparison((REPLICAS, CONFIG)))
    record = rounds(*drifted, Comparison((), UNREADABLE))
    assert (record.state, record.confirmed) == (DriftState.DRIFTED, (CONFIG,))
    assert record.unreadable == UNREADABLE
    assert failed(rounds(*drifted), "the cluster is down", NOW).confirmed == (REPLICAS, CONFIG)


def test_unreadable_is_unknown():
    assert rounds(Comparison((), UNREADABLE)).state is DriftState.UNKNOWN
    assert failed(rounds(Comparison()), "the cluster is down", NOW).state is DriftState.UNKNOWN


def test_old_result_is_unknown():
    record, interval = rounds(Comparison()), timedelta(minutes=10)
    assert record.state_at(NOW + 3 * interval, interval) is DriftState.CLEAN
    assert record.state_at(NOW + 3 * interval + MINUTE, interval) is DriftState.UNKNOWN


def test_findings_of_another_deployment_do_not_count():
    record = rounds(Comparison((REPLICAS,)), Comparison((REPLICAS,)))
    after = observed(record, Comparison((REPLICAS, CONFIG)), "2", NOW + 2 * MINUTE)
    assert (after.confirmed, set(after.suspected)) == ((), {REPLICAS, CONFIG})


def test_repairs_are_limited_to_a_number_per_day():
    record, hour = rounds(Comparison((REPLICAS,))), timedelta(hours=1)
    for number in range(3):
        assert may_heal(record, 3, NOW + number * hour)
        record = healed(record, Heal(NOW + number * hour, ("Deployment/shop",)))
    assert not may_heal(record, 3, NOW + 23 * hour)
    assert may_heal(record, 3, NOW + 25 * hour)
    assert not may_heal(NEW, 0, NOW)


@given(st.lists(st.tuples(st.sets(st.sampled_from([REPLICAS, CONFIG])), st.booleans()), max_size=8))
def test_nothing_counts_that_was_not_seen_twice_and_nothing_unreadable_is_clean(
    seen: list[tuple[set[Finding], bool]],
):
    comparisons = [Comparison(tuple(results), UNREADABLE if blind else ()) for results, blind in seen]
    record = rounds(*comparisons)
    for finding in record.confirmed:
        assert sum(finding in results for results, _ in seen) >= 2
    if seen and seen[-1][1]:
        assert record.state is not DriftState.CLEAN
    if len(seen) > 1 and seen[-1][0] & seen[-2][0]:
        assert seen[-1][0] & seen[-2][0] <= set(record.confirmed)
