"""How long each phase may wait, and how soon it is run again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

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

POLICIES: Mapping[Phase, WaitPolicy] = {
    Phase.CONFIGURATION: OUTAGE,
    Phase.ARTIFACT: WaitPolicy(timedelta(hours=1), _SECOND, timedelta(seconds=30)),
    Phase.INFRASTRUCTURE: _cluster(5),
    Phase.RENDER: OUTAGE,
    Phase.NAMESPACE: _cluster(5),
    # No watch covers volume claims, so the first pauses are short.
    Phase.DATA: _cluster(15, timedelta(milliseconds=250)),
    # Kubernetes' own progress deadline is ten minutes.
    Phase.WORKLOADS: _cluster(10, REPORT_BLOCKED_AFTER),
    Phase.ROUTE: _cluster(2),
    Phase.PROBE: _cluster(2, timedelta(milliseconds=100), timedelta(seconds=5)),
    # A check Job has its own deadline; this is how much later its result may arrive.
    Phase.CHECKS: WaitPolicy(timedelta(minutes=2), _SECOND, WATCHED),
    # The promotion limits the time of a rollout.
    Phase.ROLLOUT: WaitPolicy(timedelta(days=30)),
}


def outage_limit(phase: Phase, kind: EnvironmentKind) -> timedelta:
    """How long a service may not respond before the phase fails.

    Longer for stages and demos: a failed promotion is rolled back, which needs the same cluster.
    """
    limit = POLICIES[phase].outage_limit
    return limit if kind is EnvironmentKind.PREVIEW else max(limit, OUTAGE.limit)
