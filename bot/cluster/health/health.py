"""Health of applied objects, derived from their live state and their pods. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.cluster.made_secrets import SYNCED_BY, unsynced
from bot.cluster.names import RESOURCE, TEMPLATE
from bot.cluster.pod_failures import (
    ContainerLog,
    PendingReason,
    failed_container,
    find_failure,
    is_ready,
    memory_exceeded,
    pending_reason,
)
from bot.cluster.pod_templates import pod_template
from bot.model.hooks import run_hook
from bot.model.manifest import Condition, Manifest

Object = Mapping[str, Any]

_TEMPORARY = frozenset(("Pending", "BackendNotFound"))
"""Reasons in a route's conditions that pass within seconds."""


@dataclass(frozen=True, slots=True)
class Health:
    condition: Condition
    message: str = ""
    log: ContainerLog | None = None
    """The log that shows the cause of a failure."""
    blocked: bool = False
    """Whether it waits for something that rarely passes without help."""
    recovers_at: datetime | None = None
    """When a failing object that runs now counts as ready."""
    attempts: int = 1
    """Number of pods that a Job has started one after another."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an object's health is derived from, besides the object."""

    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    """Newest first; only an object that is not ready needs them."""
    now: datetime | None = None


_READY = Health(Condition.READY)


def assess(manifest: Manifest, live: Object | None, surroundings: Surroundings) -> Health:
    """The health of an object, given all pods of the environment. Other kinds are ready at once."""
    assessor = _custom if is_custom(manifest) else ASSESSORS.get(manifest["kind"])
    if assessor is None:
        return _READY
    if live is None or live["metadata"].get("deletionTimestamp"):
        return Health(Condition.PROGRESSING, "it is not created yet")
    return assessor(manifest, live, replace(surroundings, pods=pods_of(manifest, surroundings.pods)))


def pods_of(manifest: Manifest, pods: Sequence[Object]) -> list[Object]:
    """The pods of exactly this revision of the object."""
    if manifest["kind"] == "Pod":
        return [pod for pod in pods if pod["metadata"]["name"] == manifest["metadata"]["name"]]
    template = pod_template(manifest)
    if template is None:
        return []
    revision = template["metadata"]["annotations"][TEMPLATE]
    return [
        pod
        for pod in pods
        if (pod["metadata"].get("annotations") or {}).get(TEMPLATE) == revision
        and not pod["metadata"].get("deletionTimestamp")
    ]


def _deployment(_: Manifest, live: Object, surroundings: Surroundings) -> Health:
    status = live.get("status") or {}
    if not _is_observed(live):
        return _progressing("waiting for its controller")
    conditions = _conditions(status)
    replica_failure = conditions.get("ReplicaFailure", {})
    if replica_failure.get("status") == "True" and "status unknown for quota" not in str(
        replica_failure.get("message")
    ):
        return Health(Condition.FAILED, f"its pods are rejected: {replica_failure.get('message')}")
    progress = conditions.get("Progressing", {})
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return _late(surroundings, str(progress.get("message")))
    desired = _replicas(live)
    updated, available = _count(status, "updatedReplicas"), _count(status, "availableReplicas")
    if updated < desired or available < desired:
        return _rolling(surroundings, f"{min(updated, available)} of {desired} pods are ready")
    if _count(status, "replicas") > updated:
        return _rolling(surroundings, "pods of the previous release are terminating")
    return _steady(surroundings)


def _stateful_set(_: Manifest, live: Object, surroundings: Surroundings) -> Health:
    status = live.get("status") or {}
    if not _is_observed(live):
        return _progressing("waiting for its controller")
    desired = _replicas(live)
    ready = min(_count(status, "readyReplicas"), _count(status, "availableReplicas", "readyReplicas"))
    strategy = (live.get("spec") or {}).get("updateStrategy") or {}
    automatic = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    moving = automatic and status.get("updateRevision") != status.get("currentRevision")
    if ready < desired or (moving and _count(status, "updatedReplicas") < desired - partition):
        return _rolling(surroundings, f"{ready} of {desired} pods are ready")
    return _steady(surroundings)


def _job(_: Manifest, live: Object, surroundings: Surroundings) -> Health:
    status = live.get("status") or {}
    conditions, failures = _conditions(status), _count(status, "failed")
    if conditions.get("Complete", {}).get("status") == "True":
        return Health(Condition.READY, attempts=failures + 1)
    failed = conditions.get("Failed", {})
    if failed.get("status") == "True":
        failure = _failed(surroundings.pods, _job_failure(failed, surroundings.pods))
        return replace(failure, attempts=max(failures, 1))
    problem = find_failure(surroundings.pods, surroundings.events)
    if problem is not None and not problem.crash:
        return Health(Condition.FAILED, problem.message, problem.log, attempts=failures + 1)
    return _job_progress(surroundings, failures)


def _job_progress(surroundings: Surroundings, failures: int) -> Health:
    ended = ("Failed", "Succeeded")
    active = [pod for pod in surroundings.pods if (pod.get("status") or {}).get("phase") not in ended]
    reason = pending_reason(active, surroundings.events)
    message = reason.message or "it is running" if active else "waiting for its pod"
    if failures:
        cause = _exit_reason(surroundings.pods)
        message += f", attempt {failures + 1}" + (f" after {cause}" if cause else "")
    return Health(Condition.PROGRESSING, message, blocked=reason.blocked)


def _job_failure(failed: Object, pods: Sequence[Object]) -> str:
    if any((pod.get("status") or {}).get("reason") == "DeadlineExceeded" for pod in pods):
        return "it timed out"
    if failed.get("reason") == "DeadlineExceeded":  # Kubernetes deleted the last pod
        cause = _exit_reason(pods)
        return f"it timed out after {cause} in an earlier attempt" if cause else "it timed out"
    return _exit_reason(pods) or f"it failed: {failed.get('message') or failed.get('reason')}"


def _exit_reason(pods: Sequence[Object]) -> str:
    """Why the newest pod that failed did so; "" when no pod shows it."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            ended = (status.get("state") or {}).get("terminated") or {}
            if ended.get("reason") == "OOMKilled":
                return memory_exceeded(pod, str(status.get("name")))
            if ended.get("exitCode"):
                return f"exit code {ended['exitCode']}"
    return ""


def _pod(manifest: Manifest, live: Object, surroundings: Surroundings) -> Health:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Succeeded" or (phase == "Running" and is_ready(live) and run_hook(manifest) is None):
        return _READY
    if phase == "Failed":
        return _failed(surroundings.pods, str((live.get("status") or {}).get("message") or "it failed"))
    return _rolling(surroundings, "it is not ready")


def _claim(_: Manifest, live: Object, __: Surroundings) -> Health:
    """Only a lost claim fails: a pending one may wait for its first pod, which reports other problems."""
    if (live.get("status") or {}).get("phase") == "Lost":
        return Health(Condition.FAILED, "its volume was lost")
    return _READY


def _route(manifest: Manifest, live: Object, _: Surroundings) -> Health:
    [gateway] = manifest["spec"]["parentRefs"]
    for parent in (live.get("status") or {}).get("parents") or []:
        reference = parent.get("parentRef") or {}
        if reference.get("name") != gateway["name"] or reference.get("namespace") != gateway["namespace"]:
            continue
        conditions = _conditions(parent)
        for kind in ("Accepted", "ResolvedRefs"):
            condition = conditions.get(kind, {})
            generation = live["metadata"].get("generation", 0)
            if not condition or condition.get("observedGeneration", generation) < generation:
                return _progressing("waiting for its gateway")
            if condition.get("status") == "True":
                continue
            message = f"its gateway reports {condition.get('reason')}: {condition.get('message')}"
            temporary = condition.get("status") == "Unknown" or condition.get("reason") in _TEMPORARY
            return Health(Condition.PROGRESSING if temporary else Condition.FAILED, message)
        return _READY
    return _progressing("waiting for its gateway")


ASSESSORS: Mapping[str, Callable[[Manifest, Object, Surroundings], Health]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "HTTPRoute": _route,
    "GRPCRoute": _route,
}
"""Kinds that take time to become ready."""


def is_custom(manifest: Manifest) -> bool:
    """Whether the object is of a kind that the operator allows."""
    return RESOURCE in (manifest["metadata"].get("annotations") or {})


def _custom(manifest: Manifest, live: Object, _: Surroundings) -> Health:
    """The health by the condition `Ready`, if the controller sets one."""
    if manifest["kind"] in SYNCED_BY:
        problem, final = unsynced(manifest["kind"], live)
        condition = Condition.FAILED if final else Condition.PROGRESSING
        return Health(condition, problem, blocked=True) if problem else _READY
    status = live.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        of_ready = isinstance(condition, dict) and condition.get("type") == "Ready"
        if of_ready and condition.get("status") != "True":
            message = condition.get("message") or condition.get("reason") or "it is not ready"
            return Health(Condition.PROGRESSING, str(message))
    return _READY


def _rolling(surroundings: Surroundings, progress: str) -> Health:
    """Progressing, or failed if a pod cannot become ready."""
    if (failing := _failing(surroundings)) is not None:
        return failing
    reason = _pending(surroundings)
    message = f"{progress}; {reason.message}" if reason.message else progress
    return Health(Condition.PROGRESSING, message, blocked=reason.blocked)


def _late(surroundings: Surroundings, message: str) -> Health:
    """Kubernetes' deadline passed: the cause is what the pods show, not that the time is over."""
    reason = _pending(surroundings).message or message
    return _failing(surroundings) or _failed(
        surroundings.pods, f"it is not ready within its deadline: {reason}"
    )


def _steady(surroundings: Surroundings) -> Health:
    """Ready, unless a container is only ready until its next crash."""
    return _failing(surroundings) or _READY


def _failing(surroundings: Surroundings) -> Health | None:
    problem = find_failure(surroundings.pods, surroundings.events, surroundings.now)
    if problem is None:
        return None
    return Health(Condition.FAILED, problem.message, problem.log, recovers_at=problem.recovers_at)


def _pending(surroundings: Surroundings) -> PendingReason:
    return pending_reason([pod for pod in surroundings.pods if not is_ready(pod)], surroundings.events)


def _failed(pods: Sequence[Object], message: str) -> Health:
    return Health(Condition.FAILED, message, failed_container(pods))


def _progressing(message: str) -> Health:
    return Health(Condition.PROGRESSING, message)


def _is_observed(live: Object) -> bool:
    observed: int = (live.get("status") or {}).get("observedGeneration") or 0
    return observed >= (live["metadata"].get("generation") or 0)


def _replicas(live: Object) -> int:
    replicas = (live.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _count(status: Object, *names: str) -> int:
    """The first of these numbers that the status contains; Kubernetes omits zeros."""
    return next((int(status[name]) for name in names if status.get(name) is not None), 0)


def _conditions(status: Object) -> dict[str, Object]:
    return {str(condition.get("type")): condition for condition in status.get("conditions") or []}
