"""Fingerprint of the part of an object's status that a reconcile can act on. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

_NOISE = frozenset(
    ("lastHeartbeatTime", "lastProbeTime", "lastTransitionTime", "lastUpdateTime", "message", "startTime")
)
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))


def fingerprint(live: Object) -> int:
    """A number that changes with the relevant status. Specs are ignored, since the bot writes them."""
    status = live.get("status") or {}
    relevant = _pod(status) if live.get("kind") == "Pod" else _without_noise(status)
    terminating = bool(live["metadata"].get("deletionTimestamp"))
    return zlib.crc32(json.dumps([relevant, terminating], sort_keys=True).encode())


def initial_fingerprint(kind: str) -> int:
    """The fingerprint of a new object; its creation alone is not reported."""
    return fingerprint({"kind": kind, "metadata": {}})


def _pod(status: Object) -> list[Any]:
    """Readiness, restarts and failures to start, but not the steps of a normal start."""
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    ready = conditions.get("Ready", {}).get("status") == "True"
    scheduled = conditions.get("PodScheduled", {}).get("reason")
    return [status.get("phase") in ("Succeeded", "Failed"), ready, scheduled, list(_containers(status))]


def _containers(status: Object) -> Iterator[list[Any]]:
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        state = container.get("state") or {}
        reason = (state.get("waiting") or {}).get("reason")
        exit_code = (state.get("terminated") or {}).get("exitCode")
        restarts = container.get("restartCount") or 0
        if restarts or exit_code or (reason and reason not in _STARTING):
            yield [container.get("name"), restarts, exit_code, None if reason in _STARTING else reason]


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(part) for key, part in value.items() if key not in _NOISE}
    return [_without_noise(part) for part in value] if isinstance(value, list) else value
