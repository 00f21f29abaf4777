"""When a candidate without traffic had its last request."""

from __future__ import annotations

import pytest

from bot.environments.phases.drain import requested

_BEFORE = {"one shop": 40, "two shop": 7}


@pytest.mark.parametrize(
    "now",
    [
        _BEFORE,
        {"one shop": 40},
        {},
        {"one shop": 0, "two shop": 7},
    ],
)
def test_counters_that_stay_or_vanish_are_no_requests(now: dict[str, int]) -> None:
    assert not requested(_BEFORE, now)


@pytest.mark.parametrize("now", [{**_BEFORE, "one shop": 41}, {**_BEFORE, "three shop": 1}, {"one shop": 3}])
def test_counters_that_grow_or_start_again_are_requests(now: dict[str, int]) -> None:
    assert requested(_BEFORE, now)
