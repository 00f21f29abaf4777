"""PodDisruptionBudgets that allow no eviction: they would block the maintenance of nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.pod_templates import pod_template

Object = Mapping[str, Any]

_AMOUNT = re.compile(r"(?P<number>[0-9]+)(?P<percent>%)?")
_MAX_LENGTH = 20
_SCALED = ("Deployment", "StatefulSet")
_BLOCKS = "it allows no pod to be evicted, which would block the maintenance of nodes"
_OVERLAPS = "another budget selects the same pods, and Kubernetes evicts no pod with two budgets"


def blocking_budgets(manifests: Sequence[Object]) -> Iterator[tuple[Object, str]]:
    """The budgets of guarded manifests that never allow the eviction of some pod, with the reason."""
    selected: set[tuple[str, str]] = set()
    for budget in manifests:
        if budget["kind"] != "PodDisruptionBudget":
            continue
        selector = (budget.get("spec") or {}).get("selector") or {}
        workloads = [manifest for manifest in manifests if _matches(selector, pod_template(manifest))]
        identities = {(workload["kind"], workload["metadata"]["name"]) for workload in workloads}
        if _blocks(budget.get("spec") or {}, workloads, manifests):
            yield budget, _BLOCKS
        elif identities & selected:
            yield budget, _OVERLAPS
        else:
            selected |= identities


def _blocks(spec: Object, workloads: Sequence[Object], manifests: Sequence[Object]) -> bool:
    limit, minimum = spec.get("maxUnavailable"), spec.get("minAvailable")
    if limit is None and minimum is None:
        return False
    unscaled = any(workload["kind"] not in _SCALED for workload in workloads)
    if unscaled and (limit is not None or str(minimum).endswith("%")):
        # Kubernetes does not know how many of these pods there should be.
        return True
    replicas = max(sum(_replicas(workload, manifests) for workload in workloads), 1)
    return _amount(limit, replicas) == 0 if limit is not None else _amount(minimum, replicas) >= replicas


def _amount(value: Any, replicas: int) -> int:
    """The number of pods; Kubernetes rounds percentages up."""
    match = _AMOUNT.fullmatch(str(value)[:_MAX_LENGTH])
    if match is None:
        return 1
    number = int(match["number"])
    return -(-number * replicas // 100) if match["percent"] else number


def _replicas(workload: Object, manifests: Sequence[Object]) -> int:
    """The lowest number of pods of a workload."""
    replicas = workload["spec"].get("replicas")
    for manifest in manifests:
        if manifest["kind"] == "HorizontalPodAutoscaler":
            spec = manifest.get("spec") or {}
            target = spec.get("scaleTargetRef") or {}
            if (target.get("kind"), target.get("name")) == (workload["kind"], workload["metadata"]["name"]):
                replicas = spec.get("minReplicas")
    return replicas if isinstance(replicas, int) else 1


def _matches(selector: Object, template: Object | None) -> bool:
    if template is None:
        return False
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
