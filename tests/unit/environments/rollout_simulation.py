"""Simulates canary rollouts of versions with given error rates, with the real verdict."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.environments.rollouts.verdict import Criteria, after_look
from bot.model.rollout import Counts, Decision, StepCounts

_START = datetime(2026, 1, 1, tzinfo=UTC)
_INTERVAL = timedelta(seconds=60)
STEPS = (5, 25, 50)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests per second, and the share of errors of both versions."""

    rate: float
    stable_errors: float
    candidate_errors: float


@dataclass(frozen=True, slots=True)
class Ending:
    rolled_back: bool
    looks: int
    weight: int
    """The weight at which it ended; 100 for a canary that passed."""


def simulate(traffic: Traffic, chance: random.Random) -> Ending:
    looks = 0
    for weight in STEPS:
        step = StepCounts(_START)
        for number in range(1, 200):
            looks += 1
            total = traffic.rate * _INTERVAL.total_seconds()
            candidate = _counts(total * weight / 100, traffic.candidate_errors, chance)
            stable = _counts(total * (100 - weight) / 100, traffic.stable_errors, chance)
            now = _START + number * _INTERVAL
            verdict = after_look(step, stable, candidate, Criteria(), now)
            step = verdict.step
            if verdict.decision is Decision.ROLL_BACK:
                return Ending(True, looks, weight)
            if verdict.decision is Decision.ADVANCE:
                break
    return Ending(False, looks, 100)


def _counts(mean: float, errors: float, chance: random.Random) -> Counts:
    requests = round(mean)
    return Counts(requests, _successes(requests, errors, chance))


def _successes(of: int, share: float, chance: random.Random) -> int:
    """A binomial number, drawn by the gaps between successes."""
    count, position, scale = 0, 0, math.log1p(-share)
    while (position := position + int(math.log(1.0 - chance.random()) / scale) + 1) <= of:
        count += 1
    return count
