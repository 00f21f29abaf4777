"""Folds plans into what is known of a stage's resources, and decides when the next one is due. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.model.drift import OUTDATED, Finding, ResourceComparison
from bot.model.environment import EnvironmentKey

CONFIRM_AFTER = timedelta(minutes=1)
"""When a plan differs, a second one is made after this time."""
RETRY_AFTER = timedelta(hours=1)
"""After a plan that failed."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def after_apply(resources: ResourceComparison | None, applied: str) -> ResourceComparison:
    """What is still known after a run applied the module: an apply repairs what differed before it."""
    if resources is None:
        return ResourceComparison(applied)
    if resources.applied == applied:
        return resources
    return ResourceComparison(applied, checked_at=resources.checked_at)


def is_due(resources: ResourceComparison, key: EnvironmentKey, interval: timedelta, now: datetime) -> bool:
    """Whether a plan is to be made. Each stage has its own moment within the interval."""
    last = resources.checked_at
    if last is None:
        return True
    if resources.suspected:
        return now >= last + min(CONFIRM_AFTER, interval)
    if resources.problem:
        return now >= last + min(RETRY_AFTER, interval)
    offset = _share(key) * interval
    return (now - _EPOCH - offset) // interval > (last - _EPOCH - offset) // interval


def planned(resources: ResourceComparison, findings: Sequence[Finding], now: datetime) -> ResourceComparison:
    """After a plan that ended: what the one before it showed too is confirmed."""
    earlier = {finding.identity for finding in (*resources.suspected, *resources.confirmed)}
    return replace(
        resources,
        run=0,
        checked_at=now,
        confirmed=tuple(finding for finding in findings if finding.identity in earlier),
        suspected=tuple(finding for finding in findings if finding.identity not in earlier),
        problem="",
    )


def unplanned(resources: ResourceComparison, problem: str, now: datetime) -> ResourceComparison:
    """After a plan that failed: it shows nothing, so that what was found before remains."""
    return replace(resources, run=0, checked_at=now, problem=problem)


def postponed(
    resources: ResourceComparison, reason: str, interval: timedelta, now: datetime
) -> ResourceComparison:
    """After a plan that cannot be made yet: the last result is true for a while."""
    last = resources.checked_at
    recent = last is not None and now - last <= OUTDATED * interval
    return resources if recent else replace(resources, problem=reason)


def _share(key: EnvironmentKey) -> float:
    """A part of 1 that is always the same for a stage."""
    return int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:4]) / 2**32
