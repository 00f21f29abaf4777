"""How many pods of the candidate a share of the traffic needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.model.manifest import StableSide


def pods_needed(pods: dict[str, int], weight: int) -> dict[str, int]:
    return dict(StableSide(exists=True, tracked=True, current=False, replicas=pods).pods_for(weight))


def test_a_share_is_rounded_up() -> None:
    assert pods_needed({"shop": 10, "api": 1}, 5) == {"shop": 1, "api": 1}
    assert pods_needed({"shop": 3}, 50) == {"shop": 2}
    assert pods_needed({"shop": 3}, 100) == {"shop": 3}


@given(st.integers(1, 1000), st.integers(1, 100))
def test_a_pod_of_the_candidate_has_no_larger_share_than_one_of_the_stable_revision(
    pods: int, weight: int
) -> None:
    needed = pods_needed({"shop": pods}, weight)["shop"]
    assert weight / needed <= 100 / pods * (1 + 1e-9)
    assert needed <= pods
