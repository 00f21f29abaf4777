"""Hooks of charts: objects that run at a point of a deployment, in the order of their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

HOOK = "helm.sh/hook"
_WEIGHT = "helm.sh/hook-weight"
_POLICY = "helm.sh/hook-delete-policy"
_RESOURCE_POLICY = "helm.sh/resource-policy"


class HookEvent(StrEnum):
    """What a deployment is for its hooks; a hook names it after `pre-` or `post-`."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"


class HookPoint(StrEnum):
    PRE = "pre"
    """Before the workloads."""
    POST = "post"
    """After the workloads are ready."""


class DeletePolicy(StrEnum):
    SUCCEEDED = "hook-succeeded"
    FAILED = "hook-failed"


@dataclass(frozen=True, slots=True)
class Hook:
    names: frozenset[str]
    """Such as `pre-install`."""
    weight: int = 0
    policies: frozenset[str] = frozenset()

    def runs(self, point: HookPoint, event: HookEvent) -> bool:
        return f"{point}-{event}" in self.names

    @property
    def is_deployed(self) -> bool:
        """Whether a deployment has a point for it. Tests and deletion have none."""
        return any(self.runs_at(point) for point in HookPoint)

    def runs_at(self, point: HookPoint) -> bool:
        """Whether it runs at this point of any deployment."""
        return any(self.runs(point, event) for event in HookEvent)


def hook_of(manifest: Mapping[str, Any]) -> Hook | None:
    """The hook that an object is; None for other objects."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping) or not isinstance(annotations.get(HOOK), str):
        return None
    try:
        weight = int(annotations.get(_WEIGHT) or 0)
    except (TypeError, ValueError):
        weight = 0  # as Helm reads it
    return Hook(_words(annotations[HOOK]), weight, _words(annotations.get(_POLICY)))


def run_hook(manifest: Mapping[str, Any]) -> Hook | None:
    """The hook that an object runs; None for hooks such as ConfigMaps, which are applied like others."""
    return hook_of(manifest) if manifest.get("kind") in ("Job", "Pod") else None


def outlives_release(manifest: Mapping[str, Any]) -> bool:
    """Whether Helm leaves the object to releases that do not contain it, which find it with `lookup`."""
    annotations = manifest["metadata"].get("annotations") or {}
    hook = hook_of(manifest)
    return annotations.get(_RESOURCE_POLICY) == "keep" or (hook is not None and run_hook(manifest) is None)


def in_order(hooks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Hooks by weight, then by name."""

    def key(manifest: Mapping[str, Any]) -> tuple[int, str]:
        hook = hook_of(manifest)
        return (hook.weight if hook is not None else 0), str(manifest["metadata"]["name"])

    return sorted(hooks, key=key)


def _words(text: object) -> frozenset[str]:
    words = text.split(",") if isinstance(text, str) else ()
    return frozenset(word.strip() for word in words if word.strip())
