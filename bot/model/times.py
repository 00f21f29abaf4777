"""Moments as text. The caller converts a moment to the zone in which it is shown; UTC unless it is named."""

from __future__ import annotations

from datetime import datetime


def format_time(moment: datetime, *, year: bool = False, seconds: bool = False, zone: str = "UTC") -> str:
    """For sentences: `29 November, 14:05 UTC`."""
    date = "%d %B %Y" if year else "%d %B"
    time = "%H:%M:%S" if seconds else "%H:%M"
    return f"{moment:{date}, {time}} {zone}"


def format_timestamp(moment: datetime) -> str:
    """For tables, to the second: `2026-11-29 14:05:30`."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def format_clock(moment: datetime) -> str:
    """For the near future: `14:05:30 UTC`."""
    return f"{moment:%H:%M:%S} UTC"
