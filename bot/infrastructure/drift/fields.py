"""Fields of objects: their paths, and the differences between two objects. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Path = tuple[str, ...]
"""Names of fields from the root; an item of a list is its key in brackets, such as `[web]` or `[80/TCP]`."""

_NAMED = frozenset(
    (
        "containers",
        "env",
        "ephemeralContainers",
        "imagePullSecrets",
        "initContainers",
        "resourceClaims",
        "schedulingGates",
        "secrets",
        "volumes",
    )
)
_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(_NAMED, (("name",),)),
    "conditions": (("type",),),
    "hostAliases": (("ip",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "volumeDevices": (("devicePath",),),
    "volumeMounts": (("mountPath",),),
}
"""Lists whose items Kubernetes identifies by these fields; items of other lists are known by position."""
_DEFAULTS = {"protocol": "TCP"}
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Missing(Enum):
    """The value of a field that does not exist."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs; a value is MISSING on the side that lacks the field."""

    path: Path
    expected: Any
    actual: Any


def differences(
    expected: Any, actual: Any, path: Path = (), *, declared_only: bool = False
) -> Iterator[Difference]:
    """The fields that differ, each at its deepest path.

    `declared_only`: ignores what only `actual` has, except in lists whose items have no keys.
    """
    if expected == actual and type(expected) is type(actual):
        return
    if actual is MISSING and has_keys(expected, path):
        actual = []
    left, right = members(expected, path), members(actual, path)
    if left is None or right is None or isinstance(expected, Mapping) != isinstance(actual, Mapping):
        if expected != actual:
            yield Difference(path, expected, actual)
        return
    for name, value in left.items():
        yield from differences(value, right.get(name, MISSING), (*path, name), declared_only=declared_only)
    if not declared_only or (isinstance(actual, list) and not has_keys(actual, path)):
        for name in right.keys() - left.keys():
            yield Difference((*path, name), MISSING, right[name])
    common = [name for name in left if name in right]
    if isinstance(expected, list) and common != [name for name in right if name in left]:
        yield Difference(path, list(left), list(right))


def members(value: Any, path: Path) -> dict[str, Any] | None:
    """The fields of a mapping or the items of a list of mappings; None for other values."""
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return None
    keys = _keys_of(value, path) if value else []
    keys = keys if keys is not None else [str(position) for position in range(len(value))]
    return {f"[{key}]": item for key, item in zip(keys, value, strict=True)}


def has_keys(value: Any, path: Path) -> bool:
    """Whether the items of a list are known by keys rather than by position."""
    return isinstance(value, list) and bool(_keys_of(value, path))


def lookup(value: Any, path: Path) -> Any:
    """The value at a path; MISSING if there is none."""
    for end, name in enumerate(path):
        inside = members(value, path[:end])
        if inside is None:
            texts = [f"[{item}]" for item in value] if isinstance(value, list) else []
            return MISSING if name not in texts else value[texts.index(name)]
        if name not in inside:
            return MISSING
        value = inside[name]
    return value


def pointer(value: Any, path: Path) -> str | None:
    """The JSON pointer of a path in an object; None if there is no such field."""
    parts = []
    for end, name in enumerate(path):
        inside = members(value, path[:end])
        if isinstance(value, list):
            names = list(inside) if inside is not None else [f"[{item}]" for item in value]
            if name not in names:
                return None
            position = names.index(name)
            parts.append(str(position))
            value = value[position]
        elif inside is None or name not in inside:
            return None
        else:
            parts.append(name.replace("~", "~0").replace("/", "~1"))
            value = inside[name]
    return "/" + "/".join(parts)


def key_text(key: Mapping[str, Any]) -> str:
    """The key of a list item, such as `web` or `80/TCP`."""
    return "/".join(str(key[name]) for name in sorted(key))


def path_text(path: Path) -> str:
    """Such as `spec.template.spec.containers[web].image` or `metadata.annotations[example.com/a]`."""
    text = ""
    for name in path:
        if name.startswith("["):
            text += name
        elif _PLAIN_NAME.fullmatch(name):
            text += f".{name}" if text else name
        else:
            text += f"[{name}]"
    return text


def _keys_of(items: list[Any], path: Path) -> list[str] | None:
    """Distinct keys of all items; None if they have none."""
    for names in _KEYS.get(path[-1] if path else "", ()):
        if all(isinstance(item, Mapping) and names[0] in item for item in items):
            keys = [key_text({name: item.get(name, _DEFAULTS.get(name)) for name in names}) for item in items]
            return keys if len(set(keys)) == len(keys) else None
    return None
