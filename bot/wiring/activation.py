"""Builds the start on a cluster: its lease, and the adoption of what runs there."""

from __future__ import annotations

from bot.cluster.lease import StoreLease
from bot.clusters import Cluster
from bot.environments.activation import Activation
from bot.environments.adoption import Adopter
from bot.promotions.stage_recovery import StageRecovery
from bot.store.snapshots import read_snapshot
from bot.wiring.dependencies import Dependencies
from bot.wiring.promotions import promotion_service


def adopter(dependencies: Dependencies, cluster: Cluster) -> Adopter:
    store = dependencies.store
    return Adopter(
        cluster.listing,
        store.snapshots,
        StageRecovery(promotion_service(dependencies)),
        store.queue,
        read_snapshot,
    )


def activation(dependencies: Dependencies, cluster: Cluster) -> Activation:
    lease, identity = StoreLease(cluster.kubernetes), dependencies.store.identity
    is_default = cluster is dependencies.clusters.default
    return Activation(lease, identity, adopter(dependencies, cluster), is_default=is_default)
