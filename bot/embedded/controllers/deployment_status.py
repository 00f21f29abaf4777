"""The status of a Deployment, in Kubernetes' words: a pure function of what is observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.cluster.client.api import Object
from bot.embedded.controllers.objects import find_condition, from_time, to_time, with_condition
from bot.embedded.controllers.rollout import Limits

DEFAULT_DEADLINE = 600


@dataclass(frozen=True, slots=True)
class Observed:
    """The observed state of a Deployment. `new` is None while its ReplicaSet could not be created."""

    new: Object | None
    old: Sequence[Object]
    created: bool
    """The new ReplicaSet was made just now."""
    failure: str = ""
    """The reason why the new ReplicaSet could not be created."""


def deployment_status(deployment: Object, observed: Observed, now: datetime) -> Object:
    """The new status; equal to the old one when nothing changed."""
    before = deployment.get("status") or {}
    status = _counts(deployment, observed)
    conditions = [dict(condition) for condition in before.get("conditions") or []]
    conditions = with_condition(conditions, _available(deployment, status), now)
    progressing = _progressing(deployment, observed, status, now)
    if progressing:
        conditions = _with_progress(conditions, progressing, _moved(before, status), now)
    failure = _replica_failure(observed)
    conditions = [condition for condition in conditions if condition["type"] != "ReplicaFailure" or failure]
    if failure:
        conditions = with_condition(conditions, failure, now)
    for condition in conditions:
        condition.setdefault("lastUpdateTime", from_time(now))
    return {**status, "conditions": conditions}


def is_complete(deployment: Object, status: Mapping[str, Any]) -> bool:
    """Whether every replica is of the new template and available, and none of an old one is left."""
    requested = deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    return seen and all(count == requested for count in counts)


def seconds_to_deadline(deployment: Object, status: Object, now: datetime) -> float | None:
    """When to look again for a rollout that does not move; None when it is complete or late already."""
    condition = find_condition({"status": status}, "Progressing")
    if not condition or condition["status"] != "True" or condition["reason"] == "NewReplicaSetAvailable":
        return None
    return max(0.0, (_deadline(deployment, condition) - now).total_seconds()) + 1


def _counts(deployment: Object, observed: Observed) -> Object:
    sets = [*observed.old, *([observed.new] if observed.new else [])]
    counts = {
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([observed.new] if observed.new else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": _sum(sets, "availableReplicas"),
    }
    asked = sum(item["spec"].get("replicas", 0) for item in sets)
    counts["unavailableReplicas"] = max(0, asked - counts["availableReplicas"])
    counts["collisionCount"] = (deployment.get("status") or {}).get("collisionCount", 0)
    return {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": _sum(sets, "terminatingReplicas"),
    }


def _sum(sets: Sequence[Object], name: str) -> int:
    return sum((item.get("status") or {}).get(name, 0) for item in sets)


def _available(deployment: Object, status: Object) -> Object:
    limits = Limits.of(deployment["spec"])
    if status.get("availableReplicas", 0) >= limits.replicas - limits.unavailable:
        return _condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
        )
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _progressing(deployment: Object, observed: Observed, status: Object, now: datetime) -> Object | None:
    """The condition as it should be; None leaves it as it is."""
    old = find_condition(deployment, "Progressing")
    if deployment["spec"].get("paused"):
        return _condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    if old and old["reason"] == "DeploymentPaused":
        return _condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    if observed.new is None:
        failed = _condition("Progressing", "False", "FailedCreate", observed.failure)
        return failed if observed.failure else None
    subject = f'ReplicaSet "{observed.new["metadata"]["name"]}"'
    before = deployment.get("status") or {}
    if is_complete(deployment, status):
        return _condition(
            "Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed."
        )
    if observed.created:
        message = f"Created new replica set {subject.removeprefix('ReplicaSet ')}"
        return _condition("Progressing", "True", "NewReplicaSetCreated", message)
    done = old is not None and old["reason"] == "NewReplicaSetAvailable"
    if done and status.get("replicas") == status.get("updatedReplicas"):
        return None  # a replaced pod of a finished rollout does not count as progress
    if old is None or _moved(before, status):
        return _condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
    if old["status"] == "True" and not done and now > _deadline(deployment, old):
        return _condition(
            "Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing."
        )
    return None


def _moved(before: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    def count(values: Mapping[str, Any], name: str) -> int:
        return int(values.get(name, 0))

    def left(values: Mapping[str, Any]) -> int:
        return count(values, "replicas") - count(values, "updatedReplicas")

    more = any(
        count(status, name) > count(before, name)
        for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return more or left(status) < left(before)


def _with_progress(conditions: list[Object], new: Object, moved: bool, now: datetime) -> list[Object]:
    """Sets the condition; its update time moves with every step, as the deadline counts from it."""
    kept = with_condition(conditions, new, now)
    index = next(index for index, condition in enumerate(kept) if condition["type"] == "Progressing")
    if moved or kept[index] not in conditions or kept[index]["message"] != new["message"]:
        kept[index] = {**kept[index], "message": new["message"], "lastUpdateTime": from_time(now)}
    return kept


def _replica_failure(observed: Observed) -> Object | None:
    sets = [*([observed.new] if observed.new else []), *observed.old]
    conditions = (find_condition(item, "ReplicaFailure") for item in sets)
    failure = next((condition for condition in conditions if condition), None)
    return (
        _condition("ReplicaFailure", "True", failure["reason"], failure.get("message", ""))
        if failure
        else None
    )


def _deadline(deployment: Object, condition: Object) -> datetime:
    since = condition.get("lastUpdateTime") or condition["lastTransitionTime"]
    seconds = deployment["spec"].get("progressDeadlineSeconds", DEFAULT_DEADLINE)
    return to_time(since) + timedelta(seconds=seconds)


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}
