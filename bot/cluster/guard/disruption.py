"""PodDisruptionBudgets that allow no eviction: they would block the maintenance of nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.pod_templates import pod_template

Object = Mapping[str, Any]

_AMOUNT = re.compile(r"(?P<number>[0-9]+)(?P<percent>%)?")
_MAX_LENGTH = 20
_SCALED = ("Deployment", "StatefulSet")
REASON = "it allows no pod to be evicted, which would block the maintenance of nodes"


def blocks_eviction(budget: Object, manifests: Sequence[Object]) -> bool:
    """Whether the budget never allows the eviction of a pod of the manifests."""
    spec = budget.get("spec") or {}
    replicas = max(_replicas(spec.get("selector") or {}, manifests), 1)
    if spec.get("maxUnavailable") is not None:
        return _amount(spec["maxUnavailable"], replicas) == 0
    if spec.get("minAvailable") is None:
        return False
    return _amount(spec["minAvailable"], replicas) >= replicas


def _amount(value: Any, replicas: int) -> int:
    """The number of pods; Kubernetes rounds percentages up."""
    match = _AMOUNT.fullmatch(str(value)[:_MAX_LENGTH])
    if match is None:
        return 1
    number = int(match["number"])
    return -(-number * replicas // 100) if match["percent"] else number


def _replicas(selector: Object, manifests: Sequence[Object]) -> int:
    """The lowest number of pods that the selector matches."""
    lowest = {
        (target.get("kind"), target.get("name")): spec.get("minReplicas") or 1
        for manifest in manifests
        if manifest["kind"] == "HorizontalPodAutoscaler"
        for spec in [manifest.get("spec") or {}]
        for target in [spec.get("scaleTargetRef") or {}]
    }
    total = 0
    for manifest in manifests:
        if manifest["kind"] in _SCALED and _matches(selector, pod_template(manifest)):
            replicas = lowest.get((manifest["kind"], manifest["metadata"]["name"]))
            replicas = manifest["spec"].get("replicas") if replicas is None else replicas
            total += replicas if isinstance(replicas, int) else 1
    return total


def _matches(selector: Object, template: Object) -> bool:
    labels = (template.get("metadata") or {}).get("labels") or {}
    matched = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return matched and all(
        _meets(requirement, labels) for requirement in selector.get("matchExpressions") or []
    )


def _meets(requirement: Object, labels: Object) -> bool:
    key, values = str(requirement.get("key")), requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
