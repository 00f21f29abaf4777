"""When previews sleep on schedule: `preview.sleep` of `.greenroom.yml`."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, model_validator

from bot.config.fields import Strict
from bot.config.stages import Zone

_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_NIGHT = re.compile(rf"{_CLOCK} ?- ?{_CLOCK}")
_SATURDAY = 5


def _night(text: str) -> str:
    match = _NIGHT.fullmatch(text)
    if match is None:
        raise ValueError("expected two times of the day, such as 20:00-07:00")
    begins, ends = _times(text)
    if begins == ends:
        raise ValueError("the night must not begin and end at the same time")
    return text


def _times(night: str) -> tuple[time, time]:
    match = _NIGHT.fullmatch(night)
    assert match is not None, "validated"
    hours = [int(group) for group in match.groups()]
    return time(hours[0], hours[1]), time(hours[2], hours[3])


Night = Annotated[str, AfterValidator(_night)]


class SleepSchedule(Strict):
    """Times, on the clock of a zone, at which an unused preview sleeps."""

    zone: Zone
    nights: Night | None = None
    weekends: bool = False

    @model_validator(mode="after")
    def _some_time(self) -> SleepSchedule:
        if self.nights is None and not self.weekends:
            raise ValueError("expected `nights: 20:00-07:00`, `weekends: true`, or both")
        return self

    def covers(self, now: datetime) -> bool:
        """Whether previews sleep at this moment. Weekends begin and end at midnight."""
        local = now.astimezone(ZoneInfo(self.zone))
        if self.weekends and local.weekday() >= _SATURDAY:
            return True
        if self.nights is None:
            return False
        begins, ends = _times(self.nights)
        clock = local.time().replace(tzinfo=None)
        return begins <= clock < ends if begins < ends else clock >= begins or clock < ends
