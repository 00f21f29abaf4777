"""Omits the fields that Go omits: empty lists and maps, and some zero values."""

from typing import Any

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.schema.types import Type

# The published schemas do not show which fields are pointers. These are plain values, omitted at zero.
_PLAIN = frozenset(
    (
        *("paused", "hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"),
        *("minReadySeconds", "initialDelaySeconds", "publishNotReadyAddresses", "hostPort", "nodePort"),
        *("unschedulable", "previous", "nodeName", "hostname", "subdomain", "workingDir", "subPath"),
    )
)


def without_zeros(value: Any, kind: Type) -> Any:
    """The value as Kubernetes stores it."""
    if kind.shape == "list" and isinstance(value, list):
        return [without_zeros(item, kind.item) for item in value]
    if kind.shape == "struct" and isinstance(value, dict):
        return {
            name: without_zeros(item, kind.child(name))
            for name, item in value.items()
            if not _left_out(name, item, kind)
        }
    return value


def _left_out(name: str, value: Any, kind: Type) -> bool:
    child = kind.fields.get(name)
    if value or child is None or name in kind.required:
        return False
    if value is None or child.shape in {"list", "map"}:
        return True
    return name in _PLAIN or (name == "value" and kind.go_name == "EnvVar")


def zero(kind: Type, claim: bool = False) -> Object:
    """The zero object of Go: structs that are not pointers exist, and are empty.

    The creator of an object owns none of them. `claim` adds those of a PersistentVolumeClaim.
    """
    zero_value: Object = {}
    for name, field in kind.fields.items():
        if field.shape == "struct" and (name in _STRUCTS or (claim and name == "resources")):
            zero_value[name] = zero(field, claim)
        elif name == "containers" and field.shape == "list":
            zero_value[name] = []
        elif name == "serviceName" and field.shape == "scalar":
            zero_value[name] = ""
    return zero_value


_STRUCTS = frozenset(
    (
        *("metadata", "spec", "template", "jobTemplate"),
        *("strategy", "updateStrategy", "podSelector", "scaleTargetRef"),
    )
)
