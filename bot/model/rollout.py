"""How a stage moves to a release: what was measured of both sides, and what was decided of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Strategy(StrEnum):
    ROLLING = "rolling"
    CANARY = "canary"
    BLUE_GREEN = "blue_green"


class Side(StrEnum):
    """The two revisions of a rollout, as the label of their pods."""

    STABLE = "stable"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one side."""

    requests: int = 0
    errors: int = 0
    """Responses with a status of 500 or more, and gRPC calls that failed."""
    buckets: Mapping[str, int] = field(default_factory=dict)
    """Requests by the upper bound of their duration in seconds, as text. Each includes the smaller ones."""

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    def slower_than(self, seconds: float) -> int | None:
        """The requests above a bound; None where the histogram has no such bound."""
        within = next((count for bound, count in self.buckets.items() if float(bound) == seconds), None)
        return None if within is None else max(self.requests - within, 0)

    def __add__(self, other: Counts) -> Counts:
        bounds = {**self.buckets, **other.buckets}
        buckets = {bound: self.buckets.get(bound, 0) + other.buckets.get(bound, 0) for bound in bounds}
        return Counts(self.requests + other.requests, self.errors + other.errors, buckets)

    def since(self, before: Counts) -> Counts:
        """What was added to a counter, which starts again at 0 with its process."""
        if self.requests < before.requests or self.errors < before.errors:
            return self
        buckets = {
            bound: max(count - before.buckets.get(bound, 0), 0) for bound, count in self.buckets.items()
        }
        return Counts(self.requests - before.requests, self.errors - before.errors, buckets)


NO_COUNTS = Counts()


class Grade(StrEnum):
    """What one look at the counts of a step shows."""

    GOOD = "good"
    FEW = "too few requests"
    WORSE = "worse"
    """Worse than the stable side with certainty: a soft failure."""
    MUCH_WORSE = "much worse"


class Quantity(StrEnum):
    """What is compared."""

    ERRORS = "errors"
    SLOW = "slow requests"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a step, with its numbers."""

    grade: Grade
    stable: Counts = NO_COUNTS
    candidate: Counts = NO_COUNTS
    quantity: Quantity | None = None
    """What is worse."""
    chance: float = 1.0
    """The probability of such a difference between equal versions."""


class Decision(StrEnum):
    WAIT = "wait"
    ADVANCE = "advance"
    SKIP = "skip"
    """A user skipped the remaining analysis."""
    PAUSE = "pause"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service behind a route, and the port to which the route sends requests."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class StepCounts:
    """What is known of the current step."""

    since: datetime
    looks: int = 0
    soft_failures: int = 0
    """Number of consecutive soft failures."""
    provider_errors: int = 0
    """Number of consecutive errors of the provider."""
    stable: Counts = NO_COUNTS
    candidate: Counts = NO_COUNTS


class Progress(StrEnum):
    """Progress of a rollout."""

    PREPARING = "preparing"
    """The candidate starts, or is checked before it gets the traffic of a step."""
    STEPPING = "stepping"
    """The candidate has the traffic of the current step."""
    FINISHING = "finishing"
    """The candidate has all traffic; the stable objects move to the release and get it back."""
    RETURNED = "returned"
    """The stable revision has all traffic again."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step for display."""

    weight: int
    since: datetime
    looks: int = 0
    stable: Counts = NO_COUNTS
    candidate: Counts = NO_COUNTS
    grade: Grade | None = None
    """What the last look showed; None without a look."""
    decision: Decision | None = None
    """None while the step runs."""


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """A rollout for display. Its texts are sentences without a full stop."""

    strategy: Strategy
    steps: tuple[int, ...]
    progress: Progress = Progress.PREPARING
    weight: int = 0
    """The candidate's current share of the traffic in percent."""
    results: tuple[StepResult, ...] = ()
    paused: str = ""
    """Why it paused itself; "" while it did not."""
    problem: str = ""
    """Why it returned."""
    remark: str = ""
    """What else happened, such as a weight that another client changed."""
    until: datetime | None = None
    """When a rollout that keeps the stable revision finishes."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The stored state of a rollout. Repeating what it describes does no harm."""

    report: RolloutReport
    suffix: str
    token: str
    """The value of the header that selects the candidate."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Pods of the stable revision at the start, by Deployment."""
    step: int = 0
    counts: StepCounts | None = None
    seen: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    """The counters of each side at the last look, by their source."""
    next_look: datetime | None = None
    resumed: int = 0
    """How many requests to resume it has followed."""
    corrected: bool = False
    """Whether it has restored a weight that another client changed."""
    returning: str = ""
    """Why it returns all traffic, before it does; "" while it does not."""

    @property
    def final(self) -> bool:
        """Whether the objects of the release replace the stable ones now."""
        return self.report.progress in (Progress.FINISHING, Progress.RETURNED)

    @property
    def weight(self) -> int:
        """The share of the current step."""
        return self.report.steps[self.step]


@dataclass(frozen=True, slots=True)
class RolloutOrders:
    """What users requested of a running rollout."""

    paused: bool = False
    resumed: int = 0
    """How many times users resumed it."""
    skipped: bool = False
    """Whether a user skipped the remaining analysis."""
