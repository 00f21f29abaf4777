"""In which order the objects of an environment are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.render.pod_templates import claims
from bot.cluster.routing.route import selects
from bot.model.manifest import Manifest, Wave

_CONFIGURATION = frozenset(("ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"))
_DATA = frozenset(("PersistentVolumeClaim", "StatefulSet"))


def assign_waves(objects: Sequence[Manifest], backend: Mapping[str, str]) -> dict[Wave, list[Manifest]]:
    """The manifests' objects by wave: what configures, what keeps data (with its Services), and the rest.

    `backend` is the selector of the route's Service.
    """
    services = [each["spec"].get("selector") or {} for each in objects if each["kind"] == "Service"]
    stateful = [each for each in objects if _keeps_data(each, services, backend)]
    waves: dict[Wave, list[Manifest]] = {wave: [] for wave in Wave}
    for each in sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"])):
        waves[_wave(each, stateful)].append(each)
    return waves


def _keeps_data(each: Manifest, services: Sequence[Mapping[str, str]], backend: Mapping[str, str]) -> bool:
    """A StatefulSet, or a Deployment that others reach and that mounts a volume: a database, written so.

    What is behind the route is the application, which may keep uploads: it starts when the data are there.
    """
    if each["kind"] != "Deployment" or selects(backend, each):
        return bool(each["kind"] == "StatefulSet")
    return bool(claims(each)) and any(selects(selector, each) for selector in services)


def _wave(each: Manifest, stateful: Sequence[Manifest]) -> Wave:
    if each["kind"] in _CONFIGURATION:
        return Wave.CONFIGURATION
    if each["kind"] in _DATA or each in stateful:
        return Wave.DATA
    if each["kind"] == "Service" and _in_front_of(each, stateful):
        return Wave.DATA
    return Wave.WORKLOADS


def _in_front_of(service: Manifest, stateful: Sequence[Manifest]) -> bool:
    name = service["metadata"]["name"]
    selector = (service.get("spec") or {}).get("selector") or {}
    return any(each["spec"].get("serviceName") == name or selects(selector, each) for each in stateful)
