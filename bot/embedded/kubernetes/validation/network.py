"""Checks of Services and Ingresses."""

from __future__ import annotations

from collections.abc import Iterator

from bot.embedded.kubernetes.errors import Cause, duplicate, required, unsupported, wrong
from bot.embedded.kubernetes.objects import Object, rows, table
from bot.embedded.kubernetes.validation.names import label_faults
from bot.embedded.kubernetes.validation.pods import check_port

_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]


def check_service(service: Object) -> Iterator[Cause]:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
        return
    ports = rows(spec, "ports")
    if not ports and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    names, used = set(), set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        for fault in label_faults(name) if name else ():
            yield wrong(f"{path}.name", name, fault)
        if name and name in names:
            yield duplicate(f"{path}.name", name)
        key = (port.get("port"), port["protocol"])
        if key in used:
            yield duplicate(path, _shown(port))
        names.add(name)
        used.add(key)
        yield from check_port(port.get("port", 0), f"{path}.port")
        yield from check_port(port.get("targetPort", 0), f"{path}.targetPort")
    if spec["type"] not in _TYPES:
        yield unsupported("spec.type", spec["type"], _TYPES)


def _shown(port: Object) -> Object:
    """A port as Go prints it. Its target is not filled in there yet."""
    names = {"Name": "name", "Protocol": "protocol", "AppProtocol": "appProtocol", "Port": "port"}
    shown = {label: port.get(name) for label, name in names.items()}
    return {**shown, "Name": port.get("name", ""), "TargetPort": 0, "NodePort": port.get("nodePort", 0)}


def check_service_change(live: Object, new: Object) -> Iterator[Cause]:
    before, after = table(live, "spec"), table(new, "spec")
    if "ExternalName" in {before.get("type"), after.get("type")}:
        return
    if before.get("clusterIP") != after.get("clusterIP"):
        yield wrong("spec.clusterIPs[0]", rows(after, "clusterIPs"), "may not change once set")
