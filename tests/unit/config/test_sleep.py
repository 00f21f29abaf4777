"""`preview.sleep`: nights and weekends on the clock of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.loader import parse_configuration
from bot.config.sleep import SleepSchedule
from bot.model.errors import ConfigurationError

FILE = "version: 1\nimages: {shop: acme/shop}\nmanifests: {plain: deploy}\npreview:\n"
BERLIN = ZoneInfo("Europe/Berlin")


def schedule(**fields: object) -> SleepSchedule:
    return SleepSchedule.model_validate({"zone": "Europe/Berlin", **fields})


@pytest.mark.parametrize(
    ("local", "asleep"),
    [
        ("2026-11-25T19:59", False),
        ("2026-11-25T20:00", True),
        ("2026-11-26T00:00", True),
        ("2026-11-26T06:59", True),
        ("2026-11-26T07:00", False),
        ("2026-11-28T12:00", True),  # a Saturday
        ("2026-11-29T23:59", True),
        ("2026-11-30T07:00", False),
    ],
)
def test_nights_and_weekends(local: str, asleep: bool) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=BERLIN)
    assert schedule(nights="20:00-07:00", weekends=True).covers(now.astimezone(UTC)) is asleep


def test_times_are_those_of_the_zone_in_summer_and_winter() -> None:
    night = schedule(nights="20:00-07:00")
    assert not night.covers(datetime(2026, 11, 25, 18, 30, tzinfo=UTC))
    assert night.covers(datetime(2026, 7, 22, 18, 30, tzinfo=UTC))


def test_night_may_begin_after_midnight() -> None:
    night = schedule(nights="01:00-05:30")
    assert night.covers(datetime(2026, 11, 25, 3, 0, tzinfo=UTC))
    assert not night.covers(datetime(2026, 11, 25, 22, 0, tzinfo=UTC))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_a_night_and_the_day_after_it_cover_each_moment_once(now: datetime) -> None:
    assert schedule(nights="20:00-07:00").covers(now) != schedule(nights="07:00-20:00").covers(now)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "  sleep: {zone: Berlin, weekends: true}",
            "line 5, preview.sleep.zone: 'Berlin' is not a time zone",
        ),
        ("  sleep: {zone: UTC}", "line 5, preview.sleep: expected `nights: 20:00-07:00`"),
        ("  sleep: {zone: UTC, nights: 20-7}", "line 5, preview.sleep.nights: expected two times of the day"),
        ("  sleep: {zone: UTC, nights: 07:00-07:00}", "must not begin and end at the same time"),
        ("  sleep: {weekends: true}", "line 5, preview.sleep.zone: required field is missing"),
        ("  sleep_after: soon", "line 5, preview.sleep_after: expected a duration"),
    ],
)
def test_mistakes_have_line_and_field(section: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_configuration(f"{FILE}{section}\n")
    assert message in str(error.value)


def test_preview_without_the_fields_does_not_sleep() -> None:
    preview = parse_configuration(f"{FILE}  sleep_after: 2h\n").preview
    assert (preview.sleep_after, preview.sleep) == (timedelta(hours=2), None)


@pytest.mark.parametrize(
    ("utc", "asleep"),
    [
        ("2026-10-25T00:20", True),  # 02:20, an hour before the clock goes back
        ("2026-10-25T01:20", True),  # 02:20 again
        ("2026-10-25T02:20", False),  # 03:20
        ("2026-03-29T00:59", False),  # 01:59; 02:00 to 03:00 does not exist
        ("2026-03-29T01:00", False),  # 03:00
        ("2026-03-28T01:20", True),  # 02:20 of the day before
    ],
)
def test_nights_follow_the_clock_through_its_changes(utc: str, asleep: bool) -> None:
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert schedule(nights="02:15-02:45").covers(moment) is asleep


def test_weekend_of_a_clock_change_ends_at_local_midnight() -> None:
    weekend = schedule(weekends=True)
    assert weekend.covers(datetime(2026, 10, 25, 22, 59, tzinfo=UTC))
    assert not weekend.covers(datetime(2026, 10, 25, 23, 0, tzinfo=UTC))
