"""The types of Kubernetes' fields, read from its published schemas on first use.

The package kubernetes-validate carries them with the list types, map keys and patch
strategies that server-side apply and strategic merge need.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.resources import Resource

VERSION = "1.37.0"
Shape = Literal["scalar", "struct", "map", "list", "any"]

# The published schemas leave out the defaults of keys; these two are the only ones that matter.
KEY_DEFAULTS = {"protocol": "TCP"}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_PREFIX = "#/$defs/"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _definitions() -> dict[str, Object]:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local"
    published = msgspec.json.decode((folder / "_definitions.json").read_bytes())["$defs"]
    gateway = yaml.load(Path(__file__).with_name("gateway.yaml").read_text(), _Loader)  # noqa: S506 (safe)
    return {**published, **gateway}


@cache
def _kinds() -> dict[tuple[str, str, str], str]:
    """(group, version, kind) → name of the definition."""
    fields = {}
    for name, raw in _definitions().items():
        for item in raw.get("x-kubernetes-group-version-kind", ()):
            fields[item["group"], item["version"], item["kind"]] = name
    return fields


class Type:
    """One node of a schema. Everything below it is read when it is first requested."""

    def __init__(self, raw: Object) -> None:
        self._field = raw
        reference = raw.get("$ref", "")
        self.definition: str = reference.removeprefix(_PREFIX)
        self._raw = _definitions()[self.definition] if reference else raw

    @cached_property
    def shape(self) -> Shape:
        raw = self._raw
        if "properties" in raw:
            return "struct"
        if "additionalProperties" in raw:
            return "map"
        if "array" in _types(raw):
            return "list"
        return "scalar" if self.accepts else "any"

    @cached_property
    def accepts(self) -> frozenset[str]:
        """JSON types of a scalar: string, integer, number, boolean."""
        options = self._raw.get("oneOf", [self._raw])
        return frozenset(kind for option in options for kind in _types(option)) - {"null", "object", "array"}

    @cached_property
    def format(self) -> str:
        return str(self._raw.get("format", ""))

    @cached_property
    def is_quantity(self) -> bool:
        return self.definition == _QUANTITY

    @cached_property
    def enum(self) -> tuple[str, ...]:
        return tuple(item for item in self._raw.get("enum", ()) if item is not None)

    @cached_property
    def go_name(self) -> str:
        """The name of the Go struct, as decoding errors give it."""
        return self.definition.rsplit(".", 1)[-1]

    @cached_property
    def fields(self) -> dict[str, Type]:
        return {name: _type_of(raw) for name, raw in self._raw.get("properties", {}).items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(self._raw.get("required", ()))

    @cached_property
    def item(self) -> Type:
        """The type of a list's or map's items."""
        raw = self._raw.get("items") if self.shape == "list" else self._raw.get("additionalProperties")
        return _type_of(raw if isinstance(raw, dict) else {})

    def child(self, name: str) -> Type:
        """The type of a field of a struct or of a value of a map; untyped where there is none."""
        if self.shape == "struct":
            return self.fields.get(name, ANY)
        return self.item if self.shape in {"map", "list"} else ANY

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._mark("list-map-keys") or ())

    @cached_property
    def is_set(self) -> bool:
        return bool(self._mark("list-type") == "set")

    @cached_property
    def atomic(self) -> bool:
        """Owned and replaced as a whole by server-side apply."""
        if self.shape == "list":
            return not self.keys and not self.is_set
        return self.shape in {"scalar", "any"} or self._mark("map-type") == "atomic"

    @cached_property
    def merge_key(self) -> str:
        """The key by which a strategic merge patch finds items of a list; empty when it replaces the list."""
        return str(self._mark("patch-merge-key") or "")

    @cached_property
    def patch_strategies(self) -> frozenset[str]:
        return frozenset(str(self._mark("patch-strategy") or "").split(",")) - {""}

    def _mark(self, name: str) -> Any:
        mark = f"x-kubernetes-{name}"
        return self._field.get(mark, self._raw.get(mark))


def _types(raw: Object) -> list[str]:
    names = raw.get("type", [])
    return [names] if isinstance(names, str) else list(names)


def _type_of(raw: Object) -> Type:
    marked = any(name.startswith("x-kubernetes-") for name in raw)
    return _shared(raw["$ref"]) if "$ref" in raw and not marked else Type(raw)


@cache
def _shared(reference: str) -> Type:
    return Type({"$ref": reference})


ANY = Type({})


@cache
def type_of(resource: Resource) -> Type:
    """The type of the objects of a resource."""
    name = _kinds()[resource.group, resource.version, resource.kind]
    return _shared(_PREFIX + name)
