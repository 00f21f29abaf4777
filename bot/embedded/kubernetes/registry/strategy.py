"""Fields that the API server sets when objects of a kind are created or changed."""

from typing import Final

from bot.embedded.kubernetes.objects import Object, dig, name_of, rows, table, uid_of
from bot.embedded.kubernetes.resources import Resource

_COUNTED: Final = frozenset(
    [
        "pods",
        "deployments",
        "replicasets",
        "statefulsets",
        "jobs",
        "cronjobs",
        "networkpolicies",
        "poddisruptionbudgets",
        "endpointslices",
        "horizontalpodautoscalers",
    ]
)
CLAIM_PROTECTION: Final = "kubernetes.io/pvc-protection"
_MANDATORY: Final = "batch.kubernetes.io/"


def counts_generations(resource: Resource) -> bool:
    return resource.custom or resource.plural in _COUNTED


def prepare_create(resource: Resource, obj: Object) -> None:
    """Fill in the fields of a new object that belong to the server (in place)."""
    if counts_generations(resource):
        obj["metadata"]["generation"] = 1
    if "status" in resource.subresources and not resource.custom:
        obj["status"] = _first_status(resource, obj)
    if resource.plural == "jobs":
        _label_job(obj)
    if resource.plural == "persistentvolumeclaims":
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if CLAIM_PROTECTION not in finalizers:
            finalizers.append(CLAIM_PROTECTION)
    if resource.plural == "namespaces":
        spec = obj.setdefault("spec", {})
        if "kubernetes" not in rows(spec, "finalizers"):
            spec["finalizers"] = [*rows(spec, "finalizers"), "kubernetes"]


_FIRST: Final[dict[str, Object]] = {
    "namespaces": {"phase": "Active"},
    "persistentvolumeclaims": {"phase": "Pending"},
    "services": {"loadBalancer": {}},
    "replicasets": {"replicas": 0},
    "statefulsets": {"replicas": 0, "availableReplicas": 0},
    "poddisruptionbudgets": dict.fromkeys(
        ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 0
    ),
    "horizontalpodautoscalers": {"desiredReplicas": 0, "currentMetrics": None},
}


def _first_status(resource: Resource, obj: Object) -> Object:
    if resource.plural == "pods":
        return {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
    if resource.plural == "nodes":
        return table(obj, "status")
    return dict(_FIRST.get(resource.plural, {}))


def _label_job(job: Object) -> None:
    """The selector by which a job finds its pods: its own uid, unless the client manages it."""
    if dig(job, "spec", "manualSelector"):
        return
    template = job["spec"]["template"].setdefault("metadata", {})
    labels = template.setdefault("labels", {})
    uid, name = uid_of(job), name_of(job)
    for prefix in ("", _MANDATORY):
        labels.setdefault(f"{prefix}controller-uid", uid)
        labels.setdefault(f"{prefix}job-name", name)
    job["metadata"].setdefault("labels", dict(labels))
    job["spec"].setdefault("selector", {}).setdefault("matchLabels", {})[f"{_MANDATORY}controller-uid"] = uid


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from requests and limits of cpu and memory."""
    containers = [*rows(spec, "containers"), *rows(spec, "initContainers")]
    some, all_equal = False, True
    for container in containers:
        requests, limits = table(container, "resources", "requests"), table(container, "resources", "limits")
        for name in ("cpu", "memory"):
            some = some or name in requests or name in limits
            all_equal = all_equal and name in limits and requests.get(name, limits[name]) == limits[name]
    if not some:
        return "BestEffort"
    return "Guaranteed" if all_equal else "Burstable"


def prepare_update(resource: Resource, subresource: str, live: Object, new: Object) -> Object:
    """`new` limited to what this endpoint may change, with its generation."""
    if subresource == "status":
        changed = {**live, "metadata": {**live["metadata"]}}
        if "status" in new:
            changed["status"] = new["status"]
        else:
            changed.pop("status", None)
        _carry(new, changed)
        return changed
    if "status" in resource.subresources:
        new = {name: value for name, value in new.items() if name != "status"}
        if "status" in live:
            new["status"] = live["status"]
    metadata = {**new["metadata"]}
    for name in (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    ):
        metadata.pop(name, None)
        if name in live["metadata"]:
            metadata[name] = live["metadata"][name]
    metadata.pop("selfLink", None)
    new = {**new, "metadata": metadata}
    if counts_generations(resource):
        changed_spec = _spec_of(new) != _spec_of(live)
        metadata["generation"] = live["metadata"].get("generation", 0) + changed_spec
    return new


def _carry(new: Object, changed: Object) -> None:
    if "managedFields" in new["metadata"]:
        changed["metadata"]["managedFields"] = new["metadata"]["managedFields"]


def _spec_of(obj: Object) -> Object:
    return {
        name: value for name, value in obj.items() if name not in {"metadata", "status", "apiVersion", "kind"}
    }


def ignored_fields(resource: Resource, subresource: str) -> frozenset[str]:
    """Top-level fields that a write through this endpoint does not touch."""
    if subresource == "status":
        return frozenset({"spec", "metadata"})
    return frozenset({"status"}) if "status" in resource.subresources else frozenset()
