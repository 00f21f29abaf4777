"""Volume claims: new volumes only, from this namespace only."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.guard.node import Finding, Node


def claim_findings(spec: Node) -> Iterator[Finding]:
    """The spec of a PersistentVolumeClaim or of a template for one."""
    if spec["volumeName"]:
        yield spec["volumeName"].finding(
            "a claim may not ask for a certain volume: it could be somebody else's"
        )
    if spec.at("dataSourceRef", "namespace"):
        yield spec.at("dataSourceRef", "namespace").finding("data may not come from another namespace")
