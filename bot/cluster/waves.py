"""In which order the objects of an environment are applied."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.route import selects
from bot.model.manifest import Manifest, Wave

_CONFIGURATION = frozenset(("ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"))
_DATA = frozenset(("PersistentVolumeClaim", "StatefulSet"))


def in_waves(objects: Sequence[Manifest]) -> dict[Wave, list[Manifest]]:
    """The manifests' objects by wave: what configures, what keeps data (with its Services), and the rest."""
    stateful = [each for each in objects if each["kind"] == "StatefulSet"]
    waves: dict[Wave, list[Manifest]] = {wave: [] for wave in Wave}
    for each in sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"])):
        waves[_wave(each, stateful)].append(each)
    return waves


def _wave(each: Manifest, stateful: Sequence[Manifest]) -> Wave:
    if each["kind"] in _CONFIGURATION:
        return Wave.CONFIGURATION
    if each["kind"] in _DATA or (each["kind"] == "Service" and _in_front_of(each, stateful)):
        return Wave.DATA
    return Wave.WORKLOADS


def _in_front_of(service: Manifest, stateful: Sequence[Manifest]) -> bool:
    name = service["metadata"]["name"]
    selector = (service.get("spec") or {}).get("selector") or {}
    return any(each["spec"].get("serviceName") == name or selects(selector, each) for each in stateful)
