"""What environments request is added up, and unused previews are due to sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.schema import Preview
from bot.environments.usage import Idle, last_used, measured, sleep_due, to_make_room
from bot.model.environment import (
    Attempt,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    UserOverrides,
)
from bot.model.load import Load
from bot.model.quota import Admission, Candidate, Caps, queue_positions
from bot.model.sleep import SleepCause
from bot.model.usage import Usage
from tests.unit.environments.test_desired_state import PULL

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
KEY = EnvironmentKey.preview(7, 3)
LOAD = Load(cores=0.5, gibibytes=2.0)


def environment(state: EnvironmentState = EnvironmentState.READY, load: Load | None = LOAD) -> Environment:
    """Its data phase began three hours ago, and its checks ended two hours ago."""
    phases = {
        Phase.DATA: PhaseRecord(NOW - 3 * HOUR, NOW - 3 * HOUR),
        Phase.CHECKS: PhaseRecord(NOW - 3 * HOUR, NOW - 2 * HOUR),
    }
    return Environment(
        KEY,
        PULL.repository,
        "gr-shop-7-pr-3",
        1,
        1,
        Status(state, phases=phases),
        Attempt(load=load),
        UserOverrides(),
        "",
        created_at=NOW - 9 * HOUR,
        updated_at=NOW - HOUR,
    )


def test_first_measurement_counts_from_the_start_of_the_workloads() -> None:
    usage = measured(None, environment(), None, NOW)
    assert (usage.core_hours, usage.gibibyte_hours) == (1.5, 6.0)
    assert (usage.cores, usage.measured_at) == (0.5, NOW)


def test_release_that_is_replaced_counts_until_the_next_one_is_rendered() -> None:
    before = Usage(KEY, NOW - HOUR, cores=2.0, gibibytes=4.0)
    usage = measured(before, environment(EnvironmentState.PENDING, load=None), None, NOW)
    assert (usage.core_hours, usage.cores) == (2.0, 2.0)


@pytest.mark.parametrize("state", [EnvironmentState.ASLEEP, EnvironmentState.GONE])
def test_stopped_environment_counts_until_it_was_stopped(state: EnvironmentState) -> None:
    before = Usage(KEY, NOW - 2 * HOUR, core_hours=1.0, cores=0.5, gibibytes=2.0)
    usage = measured(before, environment(state), None, NOW)
    assert (usage.core_hours, usage.gibibyte_hours, usage.cores) == (1.5, 2.0, 0.0)
    assert measured(usage, environment(state), None, NOW + HOUR).core_hours == 1.5


def test_request_counts_as_use_when_its_number_changed() -> None:
    first = measured(None, environment(), {"10.0.0.1": 5}, NOW)
    assert first.used_at == NOW
    same = measured(first, environment(), {"10.0.0.1": 5, "10.0.0.2": 0}, NOW + HOUR)
    assert same.used_at == NOW
    restarted = measured(same, environment(), {"10.0.0.1": 0, "10.0.0.2": 1}, NOW + 2 * HOUR)
    assert restarted.used_at == NOW + 2 * HOUR
    unreadable = measured(restarted, environment(), None, NOW + 3 * HOUR)
    assert (unreadable.used_at, unreadable.requests) == (restarted.used_at, restarted.requests)


def test_end_of_a_deployment_counts_as_use() -> None:
    assert last_used(environment(), Usage(KEY, NOW)) == NOW - 2 * HOUR
    assert last_used(environment(), Usage(KEY, NOW, used_at=NOW - HOUR)) == NOW - HOUR


IDLE = Preview.model_validate({"sleep_after": "2h"})
NIGHTS = Preview.model_validate({"sleep": {"zone": "UTC", "nights": "20:00-07:00"}})


def test_idle_preview_sleeps_only_if_its_requests_are_counted() -> None:
    assert sleep_due(IDLE, NOW - 2 * HOUR, NOW, counted=True) is SleepCause.IDLE
    assert sleep_due(IDLE, NOW - 1.9 * HOUR, NOW, counted=True) is None
    assert sleep_due(IDLE, NOW - 9 * HOUR, NOW, counted=False) is None


def test_preview_that_is_used_at_night_sleeps_an_hour_later() -> None:
    night = NOW.replace(hour=22)
    assert sleep_due(NIGHTS, night - HOUR, night, counted=False) is SleepCause.SCHEDULE
    assert sleep_due(NIGHTS, night - 0.9 * HOUR, night, counted=False) is None
    assert sleep_due(NIGHTS, NOW - 9 * HOUR, NOW, counted=False) is None


def test_preview_without_settings_never_sleeps() -> None:
    assert sleep_due(Preview(), NOW - 99 * HOUR, NOW, counted=True) is None


def candidate(number: int, author: str, admission: Admission, repository: int = 7) -> Candidate:
    key = str(EnvironmentKey.preview(repository, number))
    return Candidate(key, repository, author, NOW - HOUR + number * timedelta(minutes=1), admission)


def idle(number: int, hours: float, repository: int = 7) -> Idle:
    return Idle(EnvironmentKey.preview(repository, number), NOW - hours * HOUR)


CAPS = Caps(author=1, installation=2)
RUNNING = [candidate(1, "ada", Admission.ADMITTED), candidate(2, "grace", Admission.ADMITTED)]


def test_preview_that_was_not_used_for_longest_leaves_its_slot() -> None:
    queued = candidate(3, "linus", Admission.QUEUED)
    assert to_make_room([*RUNNING, queued], CAPS, [idle(1, 2), idle(2, 3)], NOW) == [idle(2, 3)]


def test_only_a_preview_of_the_same_limit_leaves_its_slot() -> None:
    queued = candidate(3, "ada", Admission.QUEUED)
    assert to_make_room([*RUNNING, queued], CAPS, [idle(1, 2), idle(2, 3)], NOW) == [idle(1, 2)]


def test_preview_in_use_keeps_its_slot() -> None:
    queued = candidate(3, "linus", Admission.QUEUED)
    assert to_make_room([*RUNNING, queued], CAPS, [idle(1, 0.1), idle(2, 0.05)], NOW) == []


def test_nothing_sleeps_for_a_preview_that_could_not_start_then() -> None:
    full = [*RUNNING, candidate(4, "linus", Admission.ADMITTED)]
    queued = candidate(5, "linus", Admission.QUEUED)
    caps = Caps(author=1, installation=3)
    assert to_make_room([*full, queued], caps, [idle(1, 2), idle(2, 3)], NOW) == []


def test_nothing_sleeps_while_none_waits() -> None:
    assert to_make_room(RUNNING, CAPS, [idle(1, 2), idle(2, 3)], NOW) == []


candidates = st.builds(
    candidate,
    st.integers(1, 12),
    st.sampled_from(["ada", "grace", "linus"]),
    st.sampled_from([Admission.QUEUED, Admission.ADMITTED]),
    st.sampled_from([7, 8]),
)


@given(
    st.lists(candidates, max_size=12, unique_by=lambda item: item.key),
    st.integers(1, 4),
    st.integers(1, 6),
    st.lists(st.floats(0, 10), min_size=12, max_size=12),
)
def test_each_sleeping_preview_helps_a_queued_one(
    waiting: list[Candidate], per_author: int, overall: int, hours: list[float]
) -> None:
    caps = Caps(author=per_author, installation=overall)
    idle = [
        Idle(EnvironmentKey.parse(item.key), NOW - hour * HOUR)
        for item, hour in zip(waiting, hours, strict=False)
    ]
    chosen = {str(preview.key) for preview in to_make_room(waiting, caps, idle, NOW)}
    before = queue_positions(waiting, caps)
    after = queue_positions([item for item in waiting if item.key not in chosen], caps)
    started = [key for key, position in after.items() if position is None and before[key] is not None]
    assert bool(chosen) == bool(started)
    assert all(position is None for key, position in after.items() if before[key] is None)
    assert chosen <= {item.key for item in waiting if item.admission is Admission.ADMITTED}
