"""Sentences about the cluster of an environment."""

from __future__ import annotations

from typing import assert_never

from bot.environments.cluster_reasons import ClusterNotGranted, ClusterReason, NamespaceLeft, StaysOnCluster
from bot.model.clusters import NotGranted

_KINDS = {"preview": "previews", "stage": "stages", "demo": "demos"}


def describe_cluster(reason: ClusterReason) -> str:
    match reason:
        case ClusterNotGranted(refusal):
            return f"{not_granted(refusal)}."
        case StaysOnCluster(cluster, named):
            return (
                f"It stays on the cluster {cluster}; `.greenroom.yml` now names {named}. It moves when it is "
                "deleted and deployed again (`/destroy`, `/preview`)."
            )
        case NamespaceLeft(name, cluster):
            return f"Deleted the namespace {name} on the cluster {cluster}, which it no longer uses."
        case unknown:
            assert_never(unknown)


def not_granted(refusal: NotGranted) -> str:
    """Without a full stop. Names no cluster that the repository may not use, except for the one it named."""
    kinds = _KINDS[refusal.kind.value]
    subject = f"The cluster {refusal.cluster}" if refusal.cluster else "The default cluster"
    if not refusal.granted:
        return f"{subject} is not available to {kinds} of this repository, nor is any other"
    advice = "Name one of these as `cluster`" if len(refusal.granted) > 1 else "Name this one as `cluster`"
    names = ", ".join(f"`{name}`" for name in refusal.granted)
    return (
        f"{subject} is not available to {kinds} of this repository. Available: {names}. {advice} in "
        "`.greenroom.yml`, or ask the operator for access"
    )


def move_unconfirmed(stage: str, present: str, cluster: str) -> str:
    """Without a full stop."""
    return (
        f"{stage} runs on the cluster {present}, and `.greenroom.yml` names {cluster}: a move starts without "
        f"the data of {present}, and what runs there stays. Confirm it with `/promote {stage} --move`"
    )


def left_behind(repository: str, stage: str, cluster: str) -> str:
    return (
        f"It moves the stage to another cluster. What runs on {cluster} stays there with its data until the "
        f"operator deletes it: `greenroom stage remove {repository} {stage} --cluster {cluster}`."
    )
