"""The chart of a rollout: the share of errors of both sides in each step. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.rollout import Counts, RolloutReport

_HEIGHT, _BASE = 80, 100
"""Height of the highest bar, and vertical position of the base line."""
_WIDTH, _GAP, _STEP = 36, 4, 96


@dataclass(frozen=True, slots=True)
class Bar:
    """One side of a step, in units of the drawing."""

    side: str
    x: int
    y: int
    width: int
    height: int
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    weight: int
    middle: int
    bars: tuple[Bar, Bar]


@dataclass(frozen=True, slots=True)
class Chart:
    width: int
    steps: tuple[Step, ...]
    text: str
    """The same in words, for screen readers."""


def chart(report: RolloutReport) -> Chart | None:
    """The chart; None while no step has requests on both sides."""
    results = [item for item in report.results if item.stable.requests and item.candidate.requests]
    if not results:
        return None
    shares = [side.error_share for item in results for side in (item.stable, item.candidate)]
    most = max(shares) or 1.0
    steps = [
        Step(item.weight, left + _STEP // 2, _bars(left, most, (item.stable, item.candidate)))
        for left, item in ((index * _STEP, item) for index, item in enumerate(results))
    ]
    words = "; ".join(
        f"at {step.weight} % of the traffic, {step.bars[0].label} stable and {step.bars[1].label} candidate"
        for step in steps
    )
    return Chart(len(steps) * _STEP, tuple(steps), f"Share of errors: {words}.")


def _bars(left: int, most: float, sides: Sequence[Counts]) -> tuple[Bar, Bar]:
    first = left + (_STEP - 2 * _WIDTH - _GAP) // 2
    stable, candidate = (
        _bar(side, first + index * (_WIDTH + _GAP), counts.error_share, most)
        for index, (side, counts) in enumerate(zip(("stable", "candidate"), sides, strict=True))
    )
    return stable, candidate


def _bar(side: str, x: int, share: float, most: float) -> Bar:
    height = max(round(_HEIGHT * share / most), 1)
    return Bar(side, x, _BASE - height, _WIDTH, height, _percent(share))


def _percent(share: float) -> str:
    """Short enough for the width of a bar."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
