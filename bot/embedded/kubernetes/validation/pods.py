"""Checks of pods and of the pod templates inside workloads."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from bot.embedded.kubernetes.errors import Cause, duplicate, forbidden_field, required, unsupported, wrong
from bot.embedded.kubernetes.objects import Object, dig, rows, table
from bot.embedded.kubernetes.schema.quantity import amount
from bot.embedded.kubernetes.validation.names import label_faults

_VARIABLE = re.compile(r"[ -<>-~]+")
_GROUPS = ("initContainers", "containers", "ephemeralContainers")
_RESTART = ["Always", "OnFailure", "Never"]
_PULL = ["Always", "IfNotPresent", "Never"]
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = (
    "emptyDir",
    "secret",
    "configMap",
    "persistentVolumeClaim",
    "projected",
    "downwardAPI",
    "hostPath",
)
CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod(pod: Object) -> Iterator[Cause]:
    yield from check_pod_spec(pod.get("spec") or {}, "spec")


def check_pod_spec(spec: Object, path: str, claims: Collection[str] = ()) -> Iterator[Cause]:
    if not rows(spec, "containers"):
        yield required(f"{path}.containers")
    volumes = {volume.get("name", ""): volume for volume in rows(spec, "volumes")}
    volumes |= {name: {"name": name} for name in claims}
    yield from _check_volumes(spec, path)
    names: set[str] = set()
    for group in _GROUPS:
        for index, container in enumerate(rows(spec, group)):
            where = f"{path}.{group}[{index}]"
            name = container.get("name", "")
            if name and name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
            yield from _check_container(container, where, volumes)
    if spec.get("restartPolicy") not in _RESTART:
        yield unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)


def _check_volumes(spec: Object, path: str) -> Iterator[Cause]:
    seen = set()
    for index, volume in enumerate(rows(spec, "volumes")):
        where, name = f"{path}.volumes[{index}]", volume.get("name", "")
        chosen = [source for source in _SOURCES if source in volume]
        if len(chosen) > 1:
            yield forbidden_field(f"{where}.{chosen[1]}", "may not specify more than 1 volume type")
            continue
        if not name:
            yield required(f"{where}.name")
        for fault in label_faults(name) if name else ():
            yield wrong(f"{where}.name", name, fault)
        if name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name)


def _check_container(container: Object, path: str, volumes: dict[str, Object]) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield required(f"{path}.name")
    for fault in label_faults(name) if name else ():
        yield wrong(f"{path}.name", name, fault)
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from _check_ports(container, path)
    for index, variable in enumerate(rows(container, "env")):
        yield from _check_variable(variable, f"{path}.env[{index}]")
    yield from _check_mounts(container, path, volumes)
    if (policy := container.get("imagePullPolicy")) not in _PULL:
        yield unsupported(f"{path}.imagePullPolicy", policy, _PULL)
    yield from check_resources(table(container, "resources"), f"{path}.resources")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container and not any(handler in container[probe] for handler in _HANDLERS):
            yield required(f"{path}.{probe}", "must specify a handler type")


def _check_ports(container: Object, path: str) -> Iterator[Cause]:
    names = set()
    for index, port in enumerate(rows(container, "ports")):
        where, name = f"{path}.ports[{index}]", port.get("name")
        if name is not None:
            for fault in _port_name_faults(name):
                yield wrong(f"{where}.name", name, fault)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{where}.containerPort")
        else:
            yield from check_port(port["containerPort"], f"{where}.containerPort")


def _port_name_faults(name: str) -> Iterator[str]:
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not re.fullmatch(r"[-a-z0-9]+", name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name[:1] == "-" or name[-1:] == "-":
        yield "must not begin or end with a hyphen"


def check_port(value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield wrong(path, value, "must be between 1 and 65535, inclusive")


def _check_variable(variable: Object, path: str) -> Iterator[Cause]:
    name = variable.get("name", "")
    if not name:
        yield required(f"{path}.name")
    elif not _VARIABLE.fullmatch(name):
        words = (
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
        yield wrong(f"{path}.name", name, words)
    if variable.get("value") and "valueFrom" in variable:
        yield wrong(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    for source in ("secretKeyRef", "configMapKeyRef"):
        reference = dig(variable, "valueFrom", source)
        if reference is not None and not reference.get("name"):
            yield required(f"{path}.valueFrom.{source}.name")


def _check_mounts(container: Object, path: str, volumes: dict[str, Object]) -> Iterator[Cause]:
    places = set()
    for index, mount in enumerate(rows(container, "volumeMounts")):
        where, name, place = (
            f"{path}.volumeMounts[{index}]",
            mount.get("name", ""),
            mount.get("mountPath", ""),
        )
        if name and name not in volumes:
            yield Cause("FieldValueNotFound", f'Not found: "{name}"', f"{where}.name")
        if place in places:
            yield wrong(f"{where}.mountPath", place, "must be unique")
        places.add(place)


def check_resources(resources: Object, path: str) -> Iterator[Cause]:
    limits = table(resources, "limits")
    for kind in ("limits", "requests"):
        for name, value in table(resources, kind).items():
            if amount(value) < 0:
                yield wrong(f"{path}.{kind}.{name}", value, "must be greater than or equal to 0")
    for name, value in table(resources, "requests").items():
        if name in limits and amount(value) > amount(limits[name]):
            words = f"must be less than or equal to {name} limit of {limits[name]}"
            yield wrong(f"{path}.requests", value, words)


def check_pod_change(live: Object, new: Object) -> Iterator[Cause]:
    before, after = _frozen(live["spec"]), _frozen(new["spec"])
    old_tolerations, tolerations = rows(live, "spec", "tolerations"), rows(new, "spec", "tolerations")
    if before != after or any(toleration not in tolerations for toleration in old_tolerations):
        yield forbidden_field("spec", CHANGEABLE)


def _frozen(spec: Object) -> Object:
    """The part of a pod's spec that cannot be changed."""
    changeable = (
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "ephemeralContainers",
    )
    frozen = {name: value for name, value in spec.items() if name not in changeable}
    for group in ("initContainers", "containers"):
        frozen[group] = [{**row, "image": ""} for row in rows(spec, group)]
    return frozen
