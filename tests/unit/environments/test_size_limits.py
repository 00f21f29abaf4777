"""Each cluster bounds the sizes of its environments."""

from __future__ import annotations

import pytest

from bot.environments.policy import Policy, SizeLimits
from bot.model.size import Size

POLICY = Policy(
    fork_size=Size(cpu="3"), sizes={"small": SizeLimits(largest=Size(cpu="2"), fork=Size(cpu="1"))}
)


@pytest.mark.parametrize(
    ("cluster", "fork", "cpu"),
    [("small", False, "2"), ("small", True, "1"), ("default", False, "4"), ("default", True, "3")],
)
def test_size_is_within_the_bounds_of_the_cluster(cluster: str, fork: bool, cpu: str) -> None:
    assert POLICY.limited(Size(cpu="4"), cluster, fork=fork).cpu == cpu
