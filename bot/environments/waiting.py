"""How long each phase may wait, and how soon it is run again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from bot.model.environment import EnvironmentKind, Phase

WATCHED = timedelta(seconds=15)
"""The watch wakes a waiting environment at once; this pause covers a lost event."""
REPORT_AFTER = timedelta(seconds=30)
"""A shorter wait for the cluster is not reported on the pull request."""
REPORT_BLOCKED_AFTER = timedelta(seconds=3)
"""The same if the cluster shows what blocks it, such as a missing volume; no watch covers events."""
VERIFY_AGAIN = timedelta(seconds=30)
"""The longest pause while a ready environment is unstable."""
RETRY_OUTAGE = timedelta(minutes=1)
RETRY_REPORT = timedelta(seconds=5)
"""How soon a report is repeated when GitHub names no time for it."""
RETRY_CONFIGURATION = timedelta(minutes=5)
"""How soon a missing or invalid configuration is read again."""
_RETRY_PULL_REQUEST = timedelta(minutes=10)
_RARE_RETRY_PULL_REQUEST = timedelta(hours=12)
DELETION_REPORT_AFTER = timedelta(seconds=5)
"""A longer deletion is reported on the pull request, with what blocks it."""
DELETION_CHECK_AGAIN = timedelta(seconds=10)
DELETION_OVERDUE = timedelta(minutes=5)
"""A namespace is deleted within seconds; one that exists longer than this was leaked."""


def pull_request_pause(unseen: timedelta) -> timedelta:
    """How soon a pull request that GitHub has not shown for this time is read again."""
    return min(max(unseen, _RETRY_PULL_REQUEST), _RARE_RETRY_PULL_REQUEST)


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """A phase's limit, and the bounds of its pauses: a quarter of the time waited so far."""

    limit: timedelta
    shortest: timedelta = WATCHED
    longest: timedelta = WATCHED
    tolerated: timedelta = REPORT_AFTER
    """How long a ready environment may be unstable before it counts as waiting."""
    outage_limit: timedelta = timedelta(hours=1)
    """How long a service may not respond before the phase fails."""

    def pause(self, waited: timedelta) -> timedelta:
        return min(max(waited / 4, self.shortest), self.longest)


def _cluster(minutes: int, shortest: timedelta = WATCHED, longest: timedelta = WATCHED) -> WaitPolicy:
    limit = timedelta(minutes=minutes)
    return WaitPolicy(limit, shortest, longest, tolerated=limit, outage_limit=limit)


_SECOND = timedelta(seconds=1)
OUTAGE = WaitPolicy(timedelta(hours=1), _SECOND, timedelta(minutes=1))
"""A service does not respond."""


def policy_of(phase: Phase) -> WaitPolicy:  # noqa: C901 - one case for each phase
    """The limit and the pauses of a phase. A phase without them is a type error."""
    match phase:
        case Phase.CONFIGURATION:
            return OUTAGE
        case Phase.ARTIFACT:
            return WaitPolicy(timedelta(hours=1), _SECOND, timedelta(seconds=30))
        case Phase.INFRASTRUCTURE:
            return _cluster(5)
        case Phase.RENDER:
            return OUTAGE
        case Phase.NAMESPACE:
            return _cluster(5)
        case Phase.DATA:
            # No watch covers volume claims, so the first pauses are short.
            return _cluster(15, timedelta(milliseconds=250))
        case Phase.WORKLOADS:
            # Kubernetes' own progress deadline is ten minutes.
            return _cluster(10, REPORT_BLOCKED_AFTER)
        case Phase.ROUTE:
            return _cluster(2)
        case Phase.PROBE:
            return _cluster(2, timedelta(milliseconds=100), timedelta(seconds=5))
        case Phase.CHECKS:
            # A check Job has its own deadline; this is how much later its result may arrive.
            return WaitPolicy(timedelta(minutes=2), _SECOND, WATCHED)
        case Phase.ROLLOUT:
            # The promotion limits the time of a rollout.
            return WaitPolicy(timedelta(days=30))
        case unknown:
            assert_never(unknown)


def outage_limit(phase: Phase, kind: EnvironmentKind) -> timedelta:
    """How long a service may not respond before the phase fails.

    Longer for stages and demos: a failed promotion is rolled back, which needs the same cluster.
    """
    limit = policy_of(phase).outage_limit
    return limit if kind is EnvironmentKind.PREVIEW else max(limit, OUTAGE.limit)
