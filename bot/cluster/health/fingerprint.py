"""Fingerprint of the part of an object's state that a reconcile can act on. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.health.health import ASSESSORS, Surroundings
from bot.cluster.pod_failures import IMAGE_REASONS
from bot.model.manifest import Condition

Object = Mapping[str, Any]

_NOISE = frozenset(
    ("lastHeartbeatTime", "lastProbeTime", "lastTransitionTime", "lastUpdateTime", "message", "startTime")
)
_CONTROLLERS = frozenset(("Deployment", "StatefulSet", "Job"))
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    digest: int
    progressing: bool = False
    generation: int = 0

    def is_news(self, before: Fingerprint) -> bool:
        """Whether a reconcile can act on the change; the progress of a new spec is expected."""
        if self.progressing and self.generation != before.generation:
            return False
        return self.digest != before.digest


def fingerprint(live: Object) -> Fingerprint:
    kind, metadata, status = live["kind"], live["metadata"], live.get("status") or {}
    terminating = bool(metadata.get("deletionTimestamp"))
    if kind in _CONTROLLERS:
        # What a controller reports step by step counts once it is complete.
        generation, condition = (
            metadata.get("generation", 0),
            ASSESSORS[kind](live, live, Surroundings()).condition,
        )
        progressing = condition is Condition.PROGRESSING
        reached = None if progressing else [condition, generation]
        return Fingerprint(_digest([reached, terminating]), progressing, generation)
    if kind == "Pod":
        return Fingerprint(_digest([_pod(metadata, status), terminating]))
    if kind == "Namespace":
        return Fingerprint(_digest([_without_noise(status.get("conditions")), terminating]))
    return Fingerprint(_digest([_without_noise(status), terminating]))


def initial_fingerprint(kind: str) -> Fingerprint:
    """The fingerprint of a new object; its creation alone is not reported."""
    if kind in _CONTROLLERS:
        return Fingerprint(_digest([None, False]), progressing=True)
    return fingerprint({"kind": kind, "metadata": {}})


def _digest(relevant: list[Any]) -> int:
    return zlib.crc32(json.dumps(relevant, sort_keys=True).encode())


def _pod(metadata: Object, status: Object) -> list[Any]:
    """Restarts and failures to start; readiness and end only where no controller reports them."""
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    ready = conditions.get("Ready", {}).get("status") == "True"
    ended = status.get("phase") in ("Succeeded", "Failed")
    scheduled = conditions.get("PodScheduled", {}).get("reason")
    own = not metadata.get("ownerReferences")
    return [own and ended, own and ready, scheduled, list(_containers(status))]


def _containers(status: Object) -> Iterator[list[Any]]:
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        state = container.get("state") or {}
        reason = (state.get("waiting") or {}).get("reason")
        if reason in IMAGE_REASONS:
            reason = "image"  # the kubelet alternates between two with each retry
        exit_code = (state.get("terminated") or {}).get("exitCode")
        restarts = container.get("restartCount") or 0
        if restarts or exit_code or (reason and reason not in _STARTING):
            yield [container.get("name"), restarts, exit_code, None if reason in _STARTING else reason]


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(part) for key, part in value.items() if key not in _NOISE}
    return [_without_noise(part) for part in value] if isinstance(value, list) else value
