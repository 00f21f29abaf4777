"""PodDisruptionBudgets that allow no eviction: they would block the maintenance of nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.guard.metadata import LABELS
from bot.cluster.names import PREFIX
from bot.cluster.pod_templates import pod_template

Object = Mapping[str, Any]

_AMOUNT = re.compile(r"(?P<number>[0-9]+)(?P<percent>%)?")
_MAX_LENGTH = 20
ALWAYS = "AlwaysAllow"
"""Pods that are not ready can be evicted."""
_LATER = frozenset(
    (
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
    )
)
"""Labels without a domain that Kubernetes adds to pods."""
_SCALED = ("Deployment", "StatefulSet")
_BLOCKS = "it allows no pod to be evicted, which would block the maintenance of nodes"
_OWN = "it selects pods by labels that Greenroom sets"
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
        if any(key.startswith(PREFIX) for key in _keys(selector)):
            yield budget, _OWN
        elif _blocks(budget.get("spec") or {}, workloads, manifests):
            yield budget, _BLOCKS
        elif identities & selected:
            yield budget, _OVERLAPS
        else:
            selected |= identities


def evicting(manifest: Object) -> dict[str, Any]:
    """The object; a budget of it lets pods be evicted that are not ready."""
    if manifest["kind"] != "PodDisruptionBudget":
        return dict(manifest)
    return {**manifest, "spec": {**(manifest.get("spec") or {}), "unhealthyPodEvictionPolicy": ALWAYS}}


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
    scaled = []
    for manifest in manifests:
        if manifest["kind"] == "HorizontalPodAutoscaler":
            spec = manifest.get("spec") or {}
            target = spec.get("scaleTargetRef") or {}
            named = (target.get("apiVersion"), target.get("kind"), target.get("name"))
            if named == (workload["apiVersion"], workload["kind"], workload["metadata"]["name"]):
                scaled.append(_number(spec.get("minReplicas")))
    return min(scaled, default=_number(replicas))


def _number(replicas: Any) -> int:
    return replicas if isinstance(replicas, int) else 1


def _keys(selector: Object) -> Iterator[str]:
    yield from selector.get("matchLabels") or {}
    for requirement in selector.get("matchExpressions") or []:
        yield str(requirement.get("key"))


def _is_added_later(key: str, labels: Object) -> bool:
    """Whether Kubernetes may add the label to the pods of a template."""
    return key in _LATER or ("/" in key and key not in labels and not key.startswith(LABELS))


def _matches(selector: Object, template: Object | None) -> bool:
    """Whether a selector selects pods of the template, now or with the labels that Kubernetes adds."""
    if template is None:
        return False
    labels = (template.get("metadata") or {}).get("labels") or {}
    matched = all(
        _is_added_later(key, labels) or labels.get(key) == value
        for key, value in (selector.get("matchLabels") or {}).items()
    )
    return matched and all(
        _meets(requirement, labels) for requirement in selector.get("matchExpressions") or []
    )


def _meets(requirement: Object, labels: Object) -> bool:
    key, values = str(requirement.get("key")), requirement.get("values") or []
    if _is_added_later(key, labels):
        return True
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
