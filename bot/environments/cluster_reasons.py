"""Reasons about the cluster of an environment."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.clusters import NotGranted


@dataclass(frozen=True, slots=True)
class ClusterNotGranted:
    refusal: NotGranted


@dataclass(frozen=True, slots=True)
class StaysOnCluster:
    """The configuration names a cluster on which the environment does not run."""

    cluster: str
    named: str


@dataclass(frozen=True, slots=True)
class NamespaceLeft:
    """A namespace that the environment had before it moved to another cluster was deleted."""

    name: str
    cluster: str


ClusterReason = ClusterNotGranted | StaysOnCluster | NamespaceLeft
