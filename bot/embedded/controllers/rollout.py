"""The sizes of ReplicaSets during a rollout. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """A ReplicaSet in numbers."""

    name: str
    replicas: int
    """The desired number."""
    available: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a rolling update above and below the desired number."""

    replicas: int
    surge: int
    unavailable: int

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Limits:
        """The limits of a Deployment's spec; Recreate has none, it takes everything down first."""
        replicas = spec.get("replicas", 1)
        strategy = spec.get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return cls(replicas, 0, 0)
        rolling = strategy.get("rollingUpdate") or {}
        surge = math.ceil(_share(rolling.get("maxSurge", "25%"), replicas))
        unavailable = math.floor(_share(rolling.get("maxUnavailable", "25%"), replicas))
        if surge == 0 and unavailable == 0:
            unavailable = 1  # both round to nothing: else it could never move
        return cls(replicas, surge, min(unavailable, replicas))


def _share(value: int | str, of: int) -> float:
    return value if isinstance(value, int) else int(value.removesuffix("%")) * of / 100


def step(limits: Limits, new: Size, old: Sequence[Size]) -> dict[str, int]:
    """The next sizes, by name, of those ReplicaSets that change. `old` is sorted by age; the oldest first.

    A step either makes the new one larger or the old ones smaller; counts are seen again before the next one.
    """
    total = new.replicas + sum(size.replicas for size in old)
    grown = _new_size(limits, new, total)
    if grown != new.replicas:
        return {new.name: grown}
    shrunk = _without_unhealthy(limits, new, old, total)
    shrunk = _without_surplus(limits, new, shrunk)
    before = {size.name: size.replicas for size in old}
    return {size.name: size.replicas for size in shrunk if size.replicas != before[size.name]}


def _new_size(limits: Limits, new: Size, total: int) -> int:
    if new.replicas >= limits.replicas:
        return limits.replicas
    room = max(0, limits.replicas + limits.surge - total)
    return new.replicas + min(room, limits.replicas - new.replicas)


def _without_unhealthy(limits: Limits, new: Size, old: Sequence[Size], total: int) -> list[Size]:
    """Old pods that are not available are removed first."""
    lowest = limits.replicas - limits.unavailable
    budget = total - lowest - (new.replicas - new.available)
    remaining = []
    for size in old:
        dropped = max(0, min(size.replicas - size.available, budget))
        budget -= dropped
        remaining.append(replace(size, replicas=size.replicas - dropped))
    return remaining


def _without_surplus(limits: Limits, new: Size, old: Sequence[Size]) -> list[Size]:
    """Old pods that answer go as far as enough others do."""
    lowest = limits.replicas - limits.unavailable
    total = new.replicas + sum(size.replicas for size in old)
    may_leave = total - lowest - (new.replicas - new.available)
    available = new.available + sum(min(size.available, size.replicas) for size in old)
    budget = min(may_leave, available - lowest)
    remaining = []
    for size in old:
        dropped = max(0, min(size.replicas, budget))
        budget -= dropped
        remaining.append(replace(size, replicas=size.replicas - dropped))
    return remaining
