"""How many pods a share of the traffic needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def pods_needed(stable: Mapping[str, int], weight: int) -> Mapping[str, int]:
    """The pods of the candidate by Deployment: its percent of those of the stable revision, rounded up."""
    return {name: -(-weight * pods // 100) for name, pods in stable.items()}
