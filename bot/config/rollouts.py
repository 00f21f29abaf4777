"""The `rollout` of a stage in `.greenroom.yml`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from bot.config.fields import Duration, Label, Problem, Strict
from bot.model.rollout import Strategy

_SLOW = re.compile(r"([0-9]{1,5})(ms|s)|([0-9]{1,3}\.[0-9]{1,3})s")
_SHORTEST_INTERVAL = timedelta(seconds=1)
_LONGEST_INTERVAL = timedelta(hours=1)
_LONGEST_KEEP = timedelta(hours=24)
_MOST_STEPS = 20
_LONGEST_ANALYSIS = timedelta(hours=48)
"""Longest time of all steps together, without pauses; a promotion that rolls out for longer times out."""


def _seconds(value: object) -> float:
    match = _SLOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a time of a request, such as 300ms, 1.2s or 5s")
    if match[3]:
        return float(match[3])
    return int(match[1]) / (1000 if match[2] == "ms" else 1)


RequestTime = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "examples": ["300ms", "1.2s", "5s"]}),
]
Percent = Annotated[int, Field(ge=1, le=100)]


class Analysis(Strict):
    """What each step must show, compared with the stable revision in the same time."""

    provider: Label | None = None
    """A metrics provider that the operator granted to the repository; without one the gateway's metrics."""
    success: float = Field(default=99, ge=0, lt=100)
    """Percent of requests without an error; waived where the stable revision is below it."""
    slow: RequestTime | None = None
    """Requests that take longer are slow: a bound of the histogram of the gateway."""
    looks: int = Field(default=5, ge=1, le=100)
    requests: int = Field(default=200, ge=1, le=1_000_000)
    """On each side."""
    pause_after: Duration = timedelta(minutes=15)
    """A step that is inconclusive for this time pauses the rollout."""
    roll_back_after: Duration = timedelta(hours=2)
    """A step that is inconclusive for this time rolls it back."""


class Canary(Strict):
    steps: tuple[Percent, ...] = Field(default=(5, 25, 50, 100), min_length=1, max_length=_MOST_STEPS)
    interval: Duration = timedelta(seconds=60)
    analysis: Analysis = Analysis()

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)) or steps[-1] != 100:
            raise ValueError("the steps must rise and end with 100, such as [5, 25, 50, 100]")
        if len(steps) == 1:
            raise ValueError("nothing is compared at 100: add a step below it, or use `blue_green`")
        return steps

    @field_validator("interval")
    @classmethod
    def _bounded(cls, interval: timedelta) -> timedelta:
        if not _SHORTEST_INTERVAL <= interval <= _LONGEST_INTERVAL:
            raise ValueError("must be between 1s and 1h")
        return interval

    @model_validator(mode="after")
    def _ends_in_time(self) -> Canary:
        shortest = self.interval * self.analysis.looks * (len(self.steps) - 1)
        if shortest > _LONGEST_ANALYSIS:
            hours = math.ceil(shortest / timedelta(hours=1))
            raise ValueError(
                f"all looks of all steps take at least {hours}h, which must be 48h or less: "
                "use a shorter `interval`, fewer `looks` or fewer `steps`"
            )
        return self


class BlueGreen(Strict):
    keep: Duration = timedelta(minutes=30)

    @field_validator("keep")
    @classmethod
    def _bounded(cls, keep: timedelta) -> timedelta:
        if keep > _LONGEST_KEEP:
            raise ValueError("must be 24h or less")
        return keep


class RolloutPolicy(Strict):
    """How a stage moves to a release; may be written as `rolling`, `canary` or `blue_green`."""

    canary: Canary | None = None
    blue_green: BlueGreen | None = None
    rolling: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            if value not in set(Strategy):
                raise ValueError("expected `rolling`, `canary` or `blue_green`")
            return {value: True if value == Strategy.ROLLING else {}}
        if isinstance(value, Mapping) and value.get("rolling", True) is not True:
            raise ValueError("`rolling` has no fields: write `rollout: rolling`")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> RolloutPolicy:
        if (self.canary is not None) + (self.blue_green is not None) + self.rolling != 1:
            raise ValueError("expected exactly one of `rolling`, `canary: {...}` and `blue_green: {...}`")
        return self

    @property
    def strategy(self) -> Strategy:
        if self.canary is not None:
            return Strategy.CANARY
        return Strategy.ROLLING if self.blue_green is None else Strategy.BLUE_GREEN

    @property
    def progressive(self) -> bool:
        """Whether two revisions run side by side."""
        return self.strategy is not Strategy.ROLLING

    @property
    def steps(self) -> tuple[int, ...]:
        """The candidate's shares of the traffic, one after another."""
        return self.canary.steps if self.canary is not None else (100,)


ROLLING = RolloutPolicy(rolling=True)


def rollout_problems(
    policies: Mapping[str, tuple[RolloutPolicy, bool]], *, routed: bool
) -> Iterator[Problem]:
    """Problems across sections; each policy comes with whether its stage is ephemeral."""
    for name, (policy, ephemeral) in policies.items():
        path = ("stages", name, "rollout")
        if not policy.progressive:
            continue
        strategy = policy.strategy.value
        if not routed:
            yield path, f"`{strategy}` moves traffic between two revisions, which needs a `route` or `routes`"
        if ephemeral:
            yield (
                path,
                f"an ephemeral stage is new for each release: `{strategy}` has nothing to compare it with",
            )
