"""Failures of pods as messages, derived from their status and events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.cluster.pod_events import claim_problem, probe_failure, probe_kill, pull_problem, start_problem

Object = Mapping[str, Any]

MIN_RESTARTS = 2
"""Restarts after which a container counts as crash-looping; a single one may have a temporary cause."""
IMAGE_REASONS = frozenset(
    (
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    )
)
_START = frozenset(("CreateContainerConfigError", "CreateContainerError"))
_RETRIED = re.compile(
    r"failed to sync (configmap|secret) cache|timed out waiting for the condition|context deadline exceeded"
    r"|code = (DeadlineExceeded|Unavailable)|failed to reserve container name"
)
"""Errors of a busy or restarted node, which the kubelet retries with success."""
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))
_NOT_STARTED = frozenset(("StartError", "ContainerCannotRun"))
"""Reasons of a termination whose message is the runtime's: the process did not start."""
_BACKOFF_RESET = timedelta(minutes=10)
"""A run this long ends a crash loop, for the kubelet too."""
_MARGIN = timedelta(seconds=10)
"""A container has recovered when it runs this much longer than its previous run."""


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
    recovers_at: datetime | None = None
    """When the container counts as recovered if it runs until then."""


@dataclass(frozen=True, slots=True)
class PendingReason:
    """Why pods are not ready yet."""

    message: str = ""
    blocked: bool = False
    """Whether it rarely passes without help, so that it is reported soon."""


def find_failure(
    pods: Sequence[Object], events: Sequence[Object] = (), now: datetime | None = None
) -> PodFailure | None:
    """The failure that keeps these pods from becoming ready; None while they may still succeed.

    With `now`, a container that is ready between two crashes counts as failing.
    """
    for pod in pods:
        for status in container_statuses(pod):
            problem = _container(pod, status, events, now)
            if problem is not None:
                return problem
    return None


def is_failing(pod: Object) -> bool:
    """Whether the pod restarted and is not ready, or cannot start, so that it must be replaced."""
    restarted = any(status.get("restartCount") for status in container_statuses(pod))
    return not is_ready(pod) and (restarted or find_failure([pod]) is not None)


def pending_reason(pods: Sequence[Object], events: Sequence[Object] = ()) -> PendingReason:
    """The reason why pods are not ready; empty when neither status nor events have one."""
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
                causes = [condition.get("message", ""), claim_problem(pod, events)]
                words = "; ".join(filter(None, causes))
                return PendingReason(f"pod {pod['metadata']['name']} cannot be scheduled: {words}", True)
    for pod in pods:
        statuses = list(container_statuses(pod))
        if any(_waiting(status) in _STARTING for status in statuses):
            problem = start_problem(pod, events)
            if problem:
                return PendingReason(f"pod {pod['metadata']['name']} cannot start: {problem}", True)
        for status in statuses:
            message = _not_ready(pod, status, events)
            if message:
                return PendingReason(message)
    return PendingReason()


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


def _container(
    pod: Object, status: Object, events: Sequence[Object], now: datetime | None
) -> PodFailure | None:
    name, reason = str(status.get("name")), _waiting(status)
    message = str(((status.get("state") or {}).get("waiting") or {}).get("message") or "")
    if reason in IMAGE_REASONS:
        cause = pull_problem(pod, name, message, events) or "no reason given"
        return PodFailure(f'the image of container "{name}" cannot be pulled: {cause}')
    if reason in _START and not _RETRIED.search(message):
        return PodFailure(f'container "{name}" cannot be started: {message or reason}')
    if (status.get("restartCount") or 0) < MIN_RESTARTS:
        return None
    ended = (status.get("state") or {}).get("terminated")
    last = ended or (status.get("lastState") or {}).get("terminated")
    if reason != "CrashLoopBackOff" and not last:
        return None
    recovers_at = _recovers_at(status)
    if _duration(last) >= _BACKOFF_RESET or (
        status.get("ready") and (now is None or recovers_at is None or recovers_at <= now)
    ):
        return None
    restarts = _times(status["restartCount"])
    message = f'container "{name}" is crash-looping: {_end(pod, name, last, events)}, restarted {restarts}'
    log = ContainerLog(pod["metadata"]["name"], name, previous=ended is None)
    return PodFailure(message, log, crash=True, recovers_at=recovers_at if status.get("ready") else None)


def _not_ready(pod: Object, status: Object, events: Sequence[Object]) -> str:
    name, reason = str(status.get("name")), _waiting(status)
    last = (status.get("lastState") or {}).get("terminated")
    if status.get("ready"):
        return ""
    if status.get("restartCount"):
        end = f": {_end(pod, name, last, events)}" if last else ""
        return f'container "{name}" restarted {_times(status["restartCount"])}{end}'
    if reason:
        return "" if reason in _STARTING else f'container "{name}" is waiting: {reason}'
    words = probe_failure(pod, name, ("Startup", "Readiness"), events)
    return f'container "{name}" is not ready: {words}' if words else ""


def _waiting(status: Object) -> str:
    return str(((status.get("state") or {}).get("waiting") or {}).get("reason") or "")


def _recovers_at(status: Object) -> datetime | None:
    """When the current run is longer than the previous one; None while nothing runs."""
    started = _moment((status.get("state") or {}).get("running"), "startedAt")
    last = (status.get("lastState") or {}).get("terminated")
    return started + _duration(last) + _MARGIN if started is not None and last else None


def _duration(terminated: Object | None) -> timedelta:
    """How long a run lasted; zero when that is not known."""
    started, finished = _moment(terminated, "startedAt"), _moment(terminated, "finishedAt")
    return finished - started if started is not None and finished is not None else timedelta()


def _moment(state: Object | None, field: str) -> datetime | None:
    try:
        return datetime.fromisoformat(str((state or {}).get(field)))
    except ValueError:
        return None


def _end(pod: Object, container: str, terminated: Object | None, events: Sequence[Object]) -> str:
    """How a run ended. A container that a probe stops may exit with 0."""
    if not terminated:
        return "exit code unknown"
    if terminated.get("reason") == "OOMKilled":
        return memory_exceeded(pod, container)
    if terminated.get("reason") in _NOT_STARTED and terminated.get("message"):
        return f"it cannot start: {terminated['message']}"
    killed = probe_kill(pod, container, str(terminated.get("startedAt") or ""), events)
    return killed or f"exit code {terminated.get('exitCode')}"


def memory_exceeded(pod: Object, container: str) -> str:
    """Why the kernel killed the container, with its limit where the pod shows it."""
    spec = pod.get("spec") or {}
    for item in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        limit = ((item.get("resources") or {}).get("limits") or {}).get("memory")
        if item.get("name") == container and limit:
            return f"it exceeded its memory limit of {limit}"
    return "it exceeded its memory limit"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
