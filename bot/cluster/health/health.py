"""How an applied object is doing, read off its live state and its pods: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.health.pod_failures import (
    ContainerLog,
    failed_container,
    find_failure,
    is_ready,
    pending_reason,
)
from bot.cluster.names import TEMPLATE
from bot.cluster.render.pod_templates import pod_template
from bot.model.manifest import Condition, Manifest

Object = Mapping[str, Any]

_PASSING = frozenset(("Pending", "BackendNotFound"))
"""Reasons of a route's condition that a moment mends."""


@dataclass(frozen=True, slots=True)
class Health:
    condition: Condition
    message: str = ""
    log: ContainerLog | None = None
    """Whose log tells more, when it failed."""


_READY = Health(Condition.READY)


def assess(manifest: Manifest, live: Object | None, pods: Sequence[Object]) -> Health:
    """`pods` are all of the environment; kinds that have nothing to wait for are ready at once."""
    judge = ASSESSORS.get(manifest["kind"])
    if judge is None:
        return _READY
    if live is None or live["metadata"].get("deletionTimestamp"):
        return Health(Condition.PROGRESSING, "it is not there yet")
    return judge(manifest, live, pods_of(manifest, pods))


def pods_of(manifest: Manifest, pods: Sequence[Object]) -> list[Object]:
    """The pods that run just this description, none of an earlier one."""
    if manifest["kind"] == "Pod":
        return [pod for pod in pods if pod["metadata"]["name"] == manifest["metadata"]["name"]]
    template = pod_template(manifest)
    if template is None:
        return []
    mark = template["metadata"]["annotations"][TEMPLATE]
    return [
        pod
        for pod in pods
        if (pod["metadata"].get("annotations") or {}).get(TEMPLATE) == mark
        and not pod["metadata"].get("deletionTimestamp")
    ]


def _deployment(_: Manifest, live: Object, pods: Sequence[Object]) -> Health:
    status = live.get("status") or {}
    if not _seen(live):
        return _progressing("its controller has not seen it yet")
    conditions = _conditions(status)
    refused = conditions.get("ReplicaFailure", {})
    if refused.get("status") == "True" and "status unknown for quota" not in str(refused.get("message")):
        return Health(Condition.FAILED, f"its pods are refused: {refused.get('message')}")
    late = conditions.get("Progressing", {})
    if late.get("reason") == "ProgressDeadlineExceeded":
        return _failed(pods, f"it did not become ready in time: {late.get('message')}")
    wanted = _wanted(live)
    updated, available = _count(status, "updatedReplicas"), _count(status, "availableReplicas")
    if updated < wanted or available < wanted:
        return _rolling(pods, f"{min(updated, available)} of {wanted} pods are ready")
    if _count(status, "replicas") > updated:
        return _rolling(pods, "pods of the release before are still ending")
    return _READY


def _stateful_set(_: Manifest, live: Object, pods: Sequence[Object]) -> Health:
    status = live.get("status") or {}
    if not _seen(live):
        return _progressing("its controller has not seen it yet")
    wanted = _wanted(live)
    ready = min(_count(status, "readyReplicas"), _count(status, "availableReplicas", "readyReplicas"))
    strategy = (live.get("spec") or {}).get("updateStrategy") or {}
    by_itself = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    kept = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    moving = by_itself and status.get("updateRevision") != status.get("currentRevision")
    if ready < wanted or (moving and _count(status, "updatedReplicas") < wanted - kept):
        return _rolling(pods, f"{ready} of {wanted} pods are ready")
    return _READY


def _job(_: Manifest, live: Object, pods: Sequence[Object]) -> Health:
    conditions = _conditions(live.get("status") or {})
    if conditions.get("Complete", {}).get("status") == "True":
        return _READY
    failed = conditions.get("Failed", {})
    if failed.get("status") == "True":
        return _failed(pods, _job_words(failed, pods))
    trouble = find_failure(pods)
    if trouble is not None and not trouble.crash:
        return Health(Condition.FAILED, trouble.message, trouble.log)
    return _progressing(pending_reason(pods) or "it runs" if pods else "its pod is not there yet")


def _job_words(failed: Object, pods: Sequence[Object]) -> str:
    if failed.get("reason") == "DeadlineExceeded" or any(
        (pod.get("status") or {}).get("reason") == "DeadlineExceeded" for pod in pods
    ):
        return "it did not end in time"
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            ended = (status.get("state") or {}).get("terminated") or {}
            if ended.get("reason") == "OOMKilled":
                return "it needed more memory than its limit allows"
            if ended.get("exitCode"):
                return f"it ended with exit code {ended['exitCode']}"
    return f"it failed: {failed.get('message') or failed.get('reason')}"


def _pod(_: Manifest, live: Object, pods: Sequence[Object]) -> Health:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Succeeded" or (phase == "Running" and is_ready(live)):
        return _READY
    if phase == "Failed":
        return _failed(pods, str((live.get("status") or {}).get("message") or "it failed"))
    return _rolling(pods, "it is not ready")


def _claim(_: Manifest, live: Object, __: Sequence[Object]) -> Health:
    """A claim may wait for its first pod on purpose, so only a lost one is told; the pod says the rest."""
    if (live.get("status") or {}).get("phase") == "Lost":
        return Health(Condition.FAILED, "its volume is lost")
    return _READY


def _route(manifest: Manifest, live: Object, _: Sequence[Object]) -> Health:
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
                return _progressing("its gateway has not seen it yet")
            if condition.get("status") == "True":
                continue
            message = f"its gateway says {condition.get('reason')}: {condition.get('message')}"
            passing = condition.get("status") == "Unknown" or condition.get("reason") in _PASSING
            return Health(Condition.PROGRESSING if passing else Condition.FAILED, message)
        return _READY
    return _progressing("its gateway has not seen it yet")


ASSESSORS: Mapping[str, Callable[[Manifest, Object, Sequence[Object]], Health]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "HTTPRoute": _route,
}
"""Kinds that have something to wait for."""


def _rolling(pods: Sequence[Object], progress: str) -> Health:
    """On its way, unless a pod will never be ready."""
    trouble = find_failure(pods)
    if trouble is not None:
        return Health(Condition.FAILED, trouble.message, trouble.log)
    waits = pending_reason([pod for pod in pods if not is_ready(pod)])
    return _progressing(f"{progress}; {waits}" if waits else progress)


def _failed(pods: Sequence[Object], message: str) -> Health:
    return Health(Condition.FAILED, message, failed_container(pods))


def _progressing(message: str) -> Health:
    return Health(Condition.PROGRESSING, message)


def _seen(live: Object) -> bool:
    observed: int = (live.get("status") or {}).get("observedGeneration") or 0
    return observed >= (live["metadata"].get("generation") or 0)


def _wanted(live: Object) -> int:
    replicas = (live.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _count(status: Object, *names: str) -> int:
    """The first of these numbers that the status has; Kubernetes leaves zeros out."""
    return next((int(status[name]) for name in names if status.get(name) is not None), 0)


def _conditions(status: Object) -> dict[str, Object]:
    return {str(each.get("type")): each for each in status.get("conditions") or []}
