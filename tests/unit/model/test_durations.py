"""Durations as text."""

from datetime import timedelta

import pytest

from bot.model.durations import format_duration, format_elapsed, parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("3d", 259_200)])
def test_parse_duration(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "3", "d", "-3d", "0h", "3 d", "3w", 3, None, "9999999d", "3_0d"])
def test_parse_duration_rejects_other_values(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "shown"), [("90s", "90s"), ("60s", "1m"), ("24h", "1d"), ("36h", "36h")])
def test_format_duration_uses_the_largest_whole_unit(text: str, shown: str) -> None:
    assert format_duration(parse_duration(text)) == shown


def test_format_elapsed() -> None:
    times = [format_elapsed(seconds) for seconds in (0.5, 42, 600, 9000)]
    assert times == ["0.5 s", "42 s", "10 min 00 s", "2 h 30 min"]
