"""Failures of pods as messages, derived from their status. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

MIN_RESTARTS = 2
"""Restarts after which a container counts as crash-looping; a single one may have a temporary cause."""
_IMAGE = frozenset(("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"))
_START = frozenset(("CreateContainerConfigError", "CreateContainerError"))
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """A container whose log shows the cause; `previous` selects the log of its previous run."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True, slots=True)
class PodFailure:
    message: str
    log: ContainerLog | None = None
    crash: bool = False
    """Whether the container ran and ended, rather than failed to start."""


def find_failure(pods: Sequence[Object]) -> PodFailure | None:
    """The failure that keeps these pods from becoming ready; None while they may still succeed."""
    for pod in pods:
        for status in container_statuses(pod):
            problem = _container(pod["metadata"]["name"], status)
            if problem is not None:
                return problem
    return None


def is_failing(pod: Object) -> bool:
    """Whether the pod restarted and is not ready, or cannot start, so that it must be replaced."""
    restarted = any(status.get("restartCount") for status in container_statuses(pod))
    return not is_ready(pod) and (restarted or find_failure([pod]) is not None)


def pending_reason(pods: Sequence[Object]) -> str:
    """The reason why pods are not ready; "" when their status has none."""
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
                return f"pod {pod['metadata']['name']} cannot be scheduled: {condition.get('message', '')}"
    for pod in pods:
        for status in container_statuses(pod):
            waiting = (status.get("state") or {}).get("waiting") or {}
            if status.get("restartCount") and not status.get("ready"):
                return f'container "{status.get("name")}" restarted {_times(status["restartCount"])}'
            if waiting.get("reason") and waiting["reason"] not in _STARTING:
                return f'container "{status.get("name")}" is waiting: {waiting["reason"]}'
    return ""


def failed_container(pods: Sequence[Object]) -> ContainerLog | None:
    """The container whose log to read when the status shows no failure: the newest that is not ready."""
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
    return any(
        condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions
    )


def container_statuses(pod: Object) -> Iterator[Object]:
    """The statuses of all containers, init containers first."""
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _container(pod: str, status: Object) -> PodFailure | None:
    name = str(status.get("name"))
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    message = str(waiting.get("message") or reason)
    if reason in _IMAGE:
        return PodFailure(f'the image of container "{name}" cannot be pulled: {message}')
    if reason in _START:
        return PodFailure(f'container "{name}" cannot be started: {message}')
    if (status.get("restartCount") or 0) < MIN_RESTARTS or status.get("ready"):
        return None
    ended = (status.get("state") or {}).get("terminated")
    last = ended or (status.get("lastState") or {}).get("terminated")
    if reason != "CrashLoopBackOff" and not last:
        return None
    restarts = _times(status["restartCount"])
    message = f'container "{name}" is crash-looping: {_exit_reason(last)}, restarted {restarts}'
    return PodFailure(message, ContainerLog(pod, name, previous=ended is None), crash=True)


def _exit_reason(terminated: Object | None) -> str:
    if not terminated:
        return "exit code unknown"
    if terminated.get("reason") == "OOMKilled":
        return "it exceeded its memory limit"
    return f"exit code {terminated.get('exitCode')}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
