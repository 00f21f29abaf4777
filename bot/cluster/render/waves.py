"""The order in which the objects of an environment are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.made_secrets import SYNCED_BY
from bot.cluster.names import RESOURCE
from bot.cluster.pod_templates import POD_TEMPLATES, claims
from bot.cluster.routing.services import is_selected, selects
from bot.model.hooks import HookPoint, run_hook
from bot.model.manifest import Manifest, Wave

_CONFIGURATION = frozenset(("ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"))
Selectors = Sequence[Mapping[str, str]]

_DATA = frozenset(("PersistentVolumeClaim", "StatefulSet"))


def assign_waves(objects: Sequence[Manifest], backends: Selectors) -> dict[Wave, list[Manifest]]:
    """The objects by wave: configuration, data with its Services, workloads.

    `backends` are the selectors of the Services behind routes.
    """
    selectors = [
        manifest["spec"].get("selector") or {} for manifest in objects if manifest["kind"] == "Service"
    ]
    stateful = [manifest for manifest in objects if _keeps_data(manifest, selectors, backends)]
    waves: dict[Wave, list[Manifest]] = {wave: [] for wave in Wave}
    for manifest in sorted(objects, key=lambda manifest: (manifest["kind"], manifest["metadata"]["name"])):
        for wave in _hook_waves(manifest) or [_wave(manifest, stateful)]:
            waves[wave].append(manifest)
    return waves


def _hook_waves(manifest: Manifest) -> list[Wave]:
    """The waves of a hook that runs; a Job may run before an upgrade and after an installation."""
    hook = run_hook(manifest)
    points = {HookPoint.PRE: Wave.PRE_HOOKS, HookPoint.POST: Wave.POST_HOOKS}
    return [wave for point, wave in points.items() if hook.runs_at(point)] if hook is not None else []


def _keeps_data(manifest: Manifest, selectors: Selectors, backends: Selectors) -> bool:
    """Whether the object is a StatefulSet, or a Deployment with a Service and a volume: a database.

    A Deployment behind a route is the application, which may store uploads; it starts after the data.
    """
    if manifest["kind"] != "Deployment" or is_selected(backends, manifest):
        return bool(manifest["kind"] == "StatefulSet")
    return bool(claims(manifest)) and is_selected(selectors, manifest)


def _wave(manifest: Manifest, stateful: Sequence[Manifest]) -> Wave:
    if manifest["kind"] in _CONFIGURATION:
        return Wave.CONFIGURATION
    if manifest["kind"] in _DATA or manifest in stateful:
        return Wave.DATA
    if RESOURCE in (manifest["metadata"].get("annotations") or {}):
        if manifest["kind"] in SYNCED_BY:
            return Wave.CONFIGURATION
        # A database, unless it scales or extends a workload, which then comes first.
        return Wave.WORKLOADS if _refers_to_workload(manifest) else Wave.DATA
    if manifest["kind"] == "Service" and _in_front_of(manifest, stateful):
        return Wave.DATA
    return Wave.WORKLOADS


def _refers_to_workload(value: Any) -> bool:
    """Whether a field such as `scaleTargetRef` names a workload."""
    if isinstance(value, list):
        return any(map(_refers_to_workload, value))
    if not isinstance(value, dict):
        return False
    return any(
        (key.endswith("Ref") and isinstance(part, dict) and part.get("kind") in (None, *POD_TEMPLATES))
        or _refers_to_workload(part)
        for key, part in value.items()
    )


def _in_front_of(service: Manifest, stateful: Sequence[Manifest]) -> bool:
    name = service["metadata"]["name"]
    selector = (service.get("spec") or {}).get("selector") or {}
    return any(
        manifest["spec"].get("serviceName") == name or selects(selector, manifest) for manifest in stateful
    )
