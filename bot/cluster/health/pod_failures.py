"""What is wrong with a pod, said by its status: pure, and for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

MIN_RESTARTS = 2
"""Restarts after which a container counts as crashing: the first one may be bad luck or a slow neighbour."""
_IMAGE = frozenset(("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"))
_START = frozenset(("CreateContainerConfigError", "CreateContainerError"))
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """The container whose log tells more; `previous` when its last run is the one that failed."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True, slots=True)
class PodFailure:
    message: str
    log: ContainerLog | None = None
    crash: bool = False
    """It ran and ended, where other troubles keep it from running at all."""


def find_failure(pods: Sequence[Object]) -> PodFailure | None:
    """Why these pods will not become ready by themselves; None while there is hope."""
    for pod in pods:
        for status in container_statuses(pod):
            trouble = _container(pod["metadata"]["name"], status)
            if trouble is not None:
                return trouble
    return None


def is_failing(pod: Object) -> bool:
    """Whether it was restarted and is not ready, or cannot start: only another description can help it."""
    restarted = any(status.get("restartCount") for status in container_statuses(pod))
    return not is_ready(pod) and (restarted or find_failure([pod]) is not None)


def pending_reason(pods: Sequence[Object]) -> str:
    """What pods that are not ready wait for; "" when their status does not say."""
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
                return f"Pod {pod['metadata']['name']} finds no node: {condition.get('message', '')}"
    for pod in pods:
        for status in container_statuses(pod):
            waiting = (status.get("state") or {}).get("waiting") or {}
            if status.get("restartCount") and not status.get("ready"):
                return f'the container "{status.get("name")}" was restarted {_times(status["restartCount"])}'
            if waiting.get("reason") and waiting["reason"] not in _STARTING:
                return f'the container "{status.get("name")}" waits: {waiting["reason"]}'
    return ""


def failed_container(pods: Sequence[Object]) -> ContainerLog | None:
    """The container to ask when pods failed without a trouble of their own: the newest that is not ready."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        for status in container_statuses(pod):
            state = status.get("state") or {}
            terminated = state.get("terminated")
            failed = terminated is not None and terminated.get("exitCode") != 0
            if failed or (terminated is None and not status.get("ready")):
                started = "running" in state or terminated is not None
                return ContainerLog(pod["metadata"]["name"], str(status.get("name")), previous=not started)
    return None


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def container_statuses(pod: Object) -> Iterator[Object]:
    """Of all containers, those that run before the others first."""
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _container(pod: str, status: Object) -> PodFailure | None:
    name = str(status.get("name"))
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    words = str(waiting.get("message") or reason)
    if reason in _IMAGE:
        return PodFailure(f'the image of the container "{name}" cannot be had: {words}')
    if reason in _START:
        return PodFailure(f'the container "{name}" cannot be started: {words}')
    if (status.get("restartCount") or 0) < MIN_RESTARTS or status.get("ready"):
        return None
    ended = (status.get("state") or {}).get("terminated")
    last = ended or (status.get("lastState") or {}).get("terminated")
    if reason != "CrashLoopBackOff" and not last:
        return None
    message = f'the container "{name}" keeps ending: {_end(last)}, restarted {_times(status["restartCount"])}'
    return PodFailure(message, ContainerLog(pod, name, previous=ended is None), crash=True)


def _end(terminated: Object | None) -> str:
    if not terminated:
        return "it does not stay up"
    if terminated.get("reason") == "OOMKilled":
        return "it needed more memory than its limit allows"
    return f"exit code {terminated.get('exitCode')}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
