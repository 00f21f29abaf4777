"""Durations as text: `90s`, `30m`, `24h`, `3d`."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def parse_duration(value: object) -> timedelta:
    """Parses a positive whole number with a unit; ValueError for anything else but a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration: a whole number and a unit, such as 90s, 30m, 24h or 3d")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(duration: timedelta) -> str:
    """The inverse of `parse_duration`, in the largest unit that divides the duration."""
    unit = next((unit for unit, length in _UNITS.items() if not duration % length), "s")
    return f"{duration // _UNITS[unit]}{unit}"


def format_elapsed(seconds: float) -> str:
    """A measured time: `3.6 s`, `74 s`, `2 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02} min"
