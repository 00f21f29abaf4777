"""The numbers of a rolling update: never too few, never too many, and always to the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.embedded.controllers.rollout import Limits, Size, step


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": 10}, Limits(10, 3, 2)),
        ({"replicas": 1}, Limits(1, 1, 0)),
        ({"replicas": 0}, Limits(0, 0, 0)),
        (
            {"replicas": 4, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            Limits(4, 0, 1),
        ),
        (
            {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 9}}},
            Limits(2, 1, 2),
        ),
        ({"replicas": 3, "strategy": {"type": "Recreate"}}, Limits(3, 0, 0)),
    ],
)
def test_rollout_limits(spec: dict[str, object], expected: Limits) -> None:
    assert Limits.of(spec) == expected


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (Size("new", 0, 0), [Size("old", 4, 4)], {"new": 1}),
        (Size("new", 1, 0), [Size("old", 4, 4)], {"old": 3}),
        (Size("new", 1, 1), [Size("old", 3, 3)], {"new": 2}),
        (Size("new", 4, 4), [Size("old", 1, 1)], {"old": 0}),
        (Size("new", 4, 4), [], {}),
        (Size("new", 6, 6), [], {"new": 4}),
        # Unready pods are deleted first, at any age.
        (Size("new", 1, 0), [Size("older", 3, 3), Size("broken", 1, 0)], {"broken": 0}),
    ],
)
def test_next_step_of_four_replicas(new: Size, old: list[Size], expected: dict[str, int]) -> None:
    assert step(Limits(4, 1, 1), new, old) == expected


@given(
    replicas=st.integers(0, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    old=st.lists(st.integers(0, 12), max_size=3),
    started=st.integers(0, 12),
)
def test_rollout_keeps_minimum_availability(
    replicas: int, surge: int, unavailable: int, old: list[int], started: int
) -> None:
    if surge == 0 and unavailable == 0:
        unavailable = 1
    limits = Limits(replicas, surge, min(unavailable, replicas))
    sizes = {f"old{number}": Size(f"old{number}", count, count) for number, count in enumerate(old)}
    sizes["new"] = Size("new", min(started, replicas), min(started, replicas))
    for _ in range(100):
        before = sum(size.available for size in sizes.values())
        total = sum(size.replicas for size in sizes.values())
        changes = step(limits, sizes["new"], [sizes[name] for name in sorted(sizes) if name != "new"])
        if not changes:
            break
        for name, count in changes.items():
            sizes[name] = replace(sizes[name], replicas=count, available=min(count, sizes[name].available))
        after = sum(size.available for size in sizes.values())
        assert after >= min(before, limits.replicas - limits.unavailable)
        assert sum(size.replicas for size in sizes.values()) <= max(total, limits.replicas + limits.surge)
        sizes["new"] = replace(sizes["new"], available=sizes["new"].replicas)
    assert {name: size.replicas for name, size in sizes.items() if size.replicas} == (
        {"new": replicas} if replicas else {}
    )


@given(replicas=st.integers(1, 12), surge=st.integers(0, 5), unavailable=st.integers(0, 5))
def test_unready_replica_set_stays_within_limits(replicas: int, surge: int, unavailable: int) -> None:
    limits = Limits(replicas, surge or 1, min(unavailable, replicas))
    sizes = {"old": Size("old", replicas, replicas), "new": Size("new", 0, 0)}
    for _ in range(50):
        for name, count in step(limits, sizes["new"], [sizes["old"]]).items():
            sizes[name] = replace(sizes[name], replicas=count, available=min(count, sizes[name].available))
    assert sizes["old"].available >= replicas - limits.unavailable
