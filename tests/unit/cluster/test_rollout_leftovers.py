"""What is left of a candidate, besides what the contract tests with a cluster show."""

from __future__ import annotations

from typing import Any, cast

from bot.cluster.client.api import Collection, KubernetesApi
from bot.cluster.client.kinds import Kind
from bot.cluster.names import TRACK
from bot.cluster.rollouts.rollouts import KubernetesRollouts

_SEALED = Kind("bitnami.com/v1alpha1", "SealedSecret", "sealedsecrets", optional=True)
_OTHER = Kind("db.example.com/v1", "Cluster", "clusters", optional=True)


class _Api:
    """A cluster with one SealedSecret of a candidate, which a selector of its label finds."""

    async def list(self, kind: Kind, namespace: str, labels: str | None = None) -> Collection:
        items: list[dict[str, Any]] = []
        if kind is _SEALED and f"{TRACK}=candidate" in (labels or ""):
            items = [{"kind": kind.name, "metadata": {"name": "stripe-gr0123abcd"}}]
        return Collection(items, "1")


async def test_sealed_secrets_of_a_candidate_are_left_over() -> None:
    """Their controller would make a deleted Secret again."""
    rollouts = KubernetesRollouts(cast(KubernetesApi, _Api()), (_OTHER, _SEALED))
    [left] = await rollouts.leftovers("shop-production")
    assert left["metadata"]["name"] == "stripe-gr0123abcd"
