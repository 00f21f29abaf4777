"""The size that the objects of an environment request: what Kubernetes compares with the quota. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

from bot.cluster.guard_rails import DEFAULT_REQUESTS
from bot.cluster.pod_templates import pod_template
from bot.model.load import Load
from bot.model.manifest import Manifest
from bot.model.rollout import Backend
from bot.model.size import Size, parse_quantity

_MEBIBYTE = 2**20


def requested_size(objects: Iterable[Manifest]) -> Size:
    """The requests of all pods and volume claims, without CronJobs, which run at times of their own."""
    workloads = list(objects)
    totals = {"cpu": Fraction(0), "memory": Fraction(0), "storage": Fraction(0), "pods": Fraction(0)}
    for manifest in workloads:
        if manifest["kind"] == "PersistentVolumeClaim":
            totals["storage"] += _storage(manifest)
        template = pod_template(manifest)
        if template is None or manifest["kind"] == "CronJob":
            continue
        replicas = _replicas(manifest, workloads)
        totals["pods"] += replicas
        for resource in DEFAULT_REQUESTS:
            totals[resource] += replicas * _of_pod(template["spec"], resource)
        for claim in manifest["spec"].get("volumeClaimTemplates") or []:
            totals["storage"] += replicas * _storage(claim)
    return Size(
        f"{ceil(totals['cpu'] * 1000)}m",
        f"{ceil(totals['memory'] / _MEBIBYTE)}Mi",
        f"{ceil(totals['storage'] / _MEBIBYTE)}Mi",
        str(ceil(totals["pods"])),
    )


def load_of(objects: Iterable[Manifest], routes: Iterable[Manifest]) -> Load:
    """What the pods request that keep running, so without Jobs, and the Services behind the routes."""
    size = requested_size(manifest for manifest in objects if manifest["kind"] != "Job")
    backends = {
        Backend(reference["name"], int(reference["port"]))
        for route in routes
        for rule in route["spec"]["rules"]
        for reference in rule.get("backendRefs") or []
    }
    ordered = sorted(backends, key=lambda backend: (backend.service, backend.port))
    cores, memory = parse_quantity(size.cpu), parse_quantity(size.memory)
    return Load(float(cores), float(memory / 2**30), tuple(ordered))


def _replicas(manifest: Manifest, objects: Sequence[Manifest]) -> int:
    if manifest["kind"] == "Pod":
        return 1
    field = "parallelism" if manifest["kind"] == "Job" else "replicas"
    replicas = [_number(manifest["spec"].get(field))]
    for scaler in objects:
        if scaler["kind"] == "HorizontalPodAutoscaler":
            spec = scaler.get("spec") or {}
            target = spec.get("scaleTargetRef") or {}
            if (target.get("kind"), target.get("name")) == (manifest["kind"], manifest["metadata"]["name"]):
                replicas.append(_number(spec.get("minReplicas")))
    return max(replicas)


def _of_pod(spec: Mapping[str, Any], resource: str) -> Fraction:
    """Init containers run before the others, so only the largest of them counts."""
    groups = [
        [_request(container, resource) for container in spec.get(group) or []]
        for group in ("containers", "initContainers")
    ]
    return max(sum(groups[0], Fraction(0)), max(groups[1], default=Fraction(0)))


def _request(container: Mapping[str, Any], resource: str) -> Fraction:
    resources = container.get("resources") or {}
    for kind in ("requests", "limits"):
        amount = (resources.get(kind) or {}).get(resource)
        if amount is not None:
            return _quantity(amount)
    return parse_quantity(DEFAULT_REQUESTS[resource])


def _storage(claim: Mapping[str, Any]) -> Fraction:
    resources = (claim.get("spec") or {}).get("resources") or {}
    return _quantity((resources.get("requests") or {}).get("storage", 0))


def _quantity(amount: object) -> Fraction:
    """Kubernetes refuses what is not a quantity; here it counts as nothing."""
    try:
        return parse_quantity(str(amount))
    except ValueError:
        return Fraction(0)


def _number(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 1
