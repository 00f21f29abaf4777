"""Checks of ConfigMaps, Secrets, claims, quotas, bindings and Services."""

import re
from base64 import b64decode
from collections.abc import Iterator

from bot.embedded.kubernetes.errors import Cause, duplicate, forbidden_field, required, unsupported, wrong
from bot.embedded.kubernetes.objects import Object, clone, dig, rows, table
from bot.embedded.kubernetes.schema.quantity import amount
from bot.embedded.kubernetes.validation.names import label_faults
from bot.embedded.kubernetes.validation.pods import check_port

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LEVEL_LABELS = frozenset(f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn", "audit"))
_LIMIT = 1024 * 1024
_KEY_WORDS = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_CLAIM_WORDS = (
    "spec is immutable after creation except resources.requests "
    "and volumeAttributesClassName for bound claims"
)


def check_data(obj: Object) -> Iterator[Cause]:
    """Keys and size of a ConfigMap or a Secret."""
    data, binary = table(obj, "data"), table(obj, "binaryData")
    for name in [*data, *binary]:
        if not _KEY.fullmatch(name) or len(name) > 253:
            path = f"data[{name}]" if name in data else f"binaryData[{name}]"
            yield wrong(path, name, _KEY_WORDS)
    encoded = obj["kind"] == "Secret"
    size = sum(len(b64decode(value)) if encoded else len(value.encode()) for value in data.values())
    if size + sum(len(value) * 3 // 4 for value in binary.values()) > _LIMIT:
        yield Cause(
            "FieldValueTooLong", f"Too long: may not be more than {_LIMIT} bytes", "data" if encoded else ""
        )


def check_security_levels(namespace: Object) -> Iterator[Cause]:
    for name, value in table(namespace, "metadata", "labels").items():
        if name in _LEVEL_LABELS and value not in {"privileged", "baseline", "restricted"}:
            yield wrong(f"metadata.labels[{name}]", value, "must be one of privileged, baseline, restricted")


def check_immutable(live: Object, new: Object) -> Iterator[Cause]:
    if not live.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden_field("immutable", "field is immutable when `immutable` is set")
    for name in ("data", "binaryData"):
        if live.get(name) != new.get(name):
            yield forbidden_field(name, "field is immutable when `immutable` is set")


def check_secret_change(live: Object, new: Object) -> Iterator[Cause]:
    if live.get("type") != new.get("type"):
        yield wrong("type", new.get("type"), "field is immutable")
    yield from check_immutable(live, new)


def check_claim(claim: Object) -> Iterator[Cause]:
    if not rows(claim, "spec", "accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    storage = dig(claim, "spec", "resources", "requests", "storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif amount(storage) <= 0:
        yield wrong("spec.resources[storage]", storage, "must be greater than zero")


def check_claim_change(live: Object, new: Object) -> Iterator[Cause]:
    """Once a claim is bound, it may grow; nothing else of its spec may change."""
    before, after = clone(live["spec"]), clone(new["spec"])
    if not before.get("volumeName"):
        before.pop("volumeName", None)
        after.pop("volumeName", None)
    old, size = (dig(spec, "resources", "requests", "storage") for spec in (before, after))
    if dig(new, "status", "phase") == "Bound":
        table(before, "resources", "requests").pop("storage", None)
        table(after, "resources", "requests").pop("storage", None)
        before.pop("volumeAttributesClassName", None)
        after.pop("volumeAttributesClassName", None)
    if before != after:
        yield forbidden_field("spec", _CLAIM_WORDS)
    capacity = dig(live, "status", "capacity", "storage") or 0
    if size and old and amount(size) < amount(old) and amount(size) <= amount(capacity):
        yield forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity")


def check_quota(quota: Object) -> Iterator[Cause]:
    for name, value in table(quota, "spec", "hard").items():
        if amount(value) < 0:
            yield wrong(f"spec.hard[{name}]", value, "must be greater than or equal to 0")


def check_role_reference(live: Object, new: Object) -> Iterator[Cause]:
    if live.get("roleRef") != new.get("roleRef"):
        yield wrong("roleRef", new.get("roleRef"), "cannot change roleRef")


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
