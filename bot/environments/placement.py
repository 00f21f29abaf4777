"""Chooses the cluster of an environment."""

from __future__ import annotations

from bot.environments.cluster_reasons import ClusterNotGranted, StaysOnCluster
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Failed
from bot.model.clusters import NotGranted


def choose_cluster(context: ReconcileContext) -> Failed | None:
    """Puts an environment without a cluster on the one that the configuration names, or the default one.

    An environment stays on its cluster. Returns the failure when the repository may not use it.
    """
    environment, grants = context.environment, context.policy.clusters
    repository, kind = environment.repository, environment.key.kind
    named = context.section.cluster
    chosen = grants.choose(repository, kind, environment.cluster or named)
    if isinstance(chosen, NotGranted):
        return Failed(ClusterNotGranted(chosen), final=True)
    if not environment.cluster:
        context.place(chosen)
    elif context.is_preview and chosen != (named or grants.default):
        context.add_note(StaysOnCluster(chosen, named or grants.default))
    return None
