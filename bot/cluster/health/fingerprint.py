"""What of an object's status matters to its environment, as a small number: pure."""

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
    """Equal while nothing happened that a reconcile could act on. Specs do not count: we write those."""
    status = live.get("status") or {}
    told = _pod(status) if live.get("kind") == "Pod" else _without_noise(status)
    leaving = bool(live["metadata"].get("deletionTimestamp"))
    return zlib.crc32(json.dumps([told, leaving], sort_keys=True).encode())


def initial_fingerprint(kind: str) -> int:
    """Of an object that was just made, which is no news to who made it."""
    return fingerprint({"kind": kind, "metadata": {}})


def _pod(status: Object) -> list[Any]:
    """Ready or not, restarts, and what keeps containers from running; not each step of an ordinary start."""
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    ready = conditions.get("Ready", {}).get("status") == "True"
    placed = conditions.get("PodScheduled", {}).get("reason")
    return [status.get("phase") in ("Succeeded", "Failed"), ready, placed, list(_containers(status))]


def _containers(status: Object) -> Iterator[list[Any]]:
    for each in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        state = each.get("state") or {}
        reason = (state.get("waiting") or {}).get("reason")
        exit_code = (state.get("terminated") or {}).get("exitCode")
        restarts = each.get("restartCount") or 0
        if restarts or exit_code or (reason and reason not in _STARTING):
            yield [each.get("name"), restarts, exit_code, None if reason in _STARTING else reason]


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(part) for key, part in value.items() if key not in _NOISE}
    return [_without_noise(part) for part in value] if isinstance(value, list) else value
