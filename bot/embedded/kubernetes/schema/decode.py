"""Reading a request's object by its type: unknown fields out, quantities canonical, wrong types refused."""

import base64
import binascii
import json
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bot.embedded.kubernetes.errors import ApiError, bad_request, invalid, wrong
from bot.embedded.kubernetes.objects import Object, table
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.schema.quantity import canonical
from bot.embedded.kubernetes.schema.types import Type, type_of

_GO_TYPES = {"string": "string", "boolean": "bool", "number": "float64", "integer": "int64"}


class Mismatch(Exception):
    """A value of the wrong JSON type: with the message of Go's decoder and the path."""

    def __init__(self, path: str, value: Any, expected: str, words: str) -> None:
        super().__init__(words)
        self.path = path
        self.value = value
        self.expected = expected


@dataclass
class _Reading:
    unknown: list[str] = field(default_factory=list)

    def read(self, value: Any, kind: Type, path: str, owner: str) -> Any:
        """The cleaned value; `owner` is the Go struct that a mismatch names."""
        match kind.shape:
            case "any":
                return value
            case "scalar":
                return self._scalar(value, kind, path, owner)
            case "list":
                if not isinstance(value, list):
                    raise _mismatch(value, kind, path, owner)
                return [self.read(item, kind.item, f"{path}[{i}]", owner) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            raise _mismatch(value, kind, path, owner)
        if kind.shape == "map":
            return {key: self._map_value(item, kind.item, path, owner) for key, item in value.items()}
        return self._struct(value, kind, path)

    def _struct(self, value: Object, kind: Type, path: str) -> Object:
        fields = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            current = kind.fields.get(name)
            if current is None:
                self.unknown.append(inner)
            elif item is not None:
                fields[name] = self.read(item, current, inner, kind.go_name)
        return fields

    def _map_value(self, value: Any, kind: Type, path: str, owner: str) -> Any:
        if value is None and "string" in kind.accepts:
            return "0" if kind.is_quantity else ""
        return self.read(value, kind, path, owner)

    def _scalar(self, value: Any, kind: Type, path: str, owner: str) -> Any:
        if value is None or _json_type(value) not in kind.accepts:
            fits = isinstance(value, int) and not isinstance(value, bool) and "number" in kind.accepts
            if not fits:
                raise _mismatch(value, kind, path, owner)
        try:
            if kind.is_quantity:
                return canonical(value)
            if kind.format == "byte":
                base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Mismatch(path, value, "bytes", _illegal_base64(value)) from None
        except ValueError as error:
            raise Mismatch(path, value, "quantity", str(error)) from None
        return value


def _illegal_base64(text: str) -> str:
    allowed = string.ascii_letters + string.digits + "+/="
    first = next(
        (index for index, letter in enumerate(text) if letter not in allowed), len(text) - len(text) % 4
    )
    return f"illegal base64 data at input byte {first}"


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _mismatch(value: Any, kind: Type, path: str, owner: str) -> Mismatch:
    expected = next(iter(sorted(kind.accepts)), {"list": "array"}.get(kind.shape, "object"))
    if kind.shape == "list":
        go_type = f"[]{_go_type(kind.item)}"
    elif kind.shape == "map":
        go_type = f"map[string]{_go_type(kind.item)}"
    else:
        go_type = _go_type(kind)
    got = {"integer": "number", "boolean": "bool"}.get(_json_type(value), _json_type(value))
    where = _without_indexes(path)
    words = f"json: cannot unmarshal {got} into Go struct field {owner}.{where} of type {go_type}"
    return Mismatch(path, value, expected, words)


def _go_type(kind: Type) -> str:
    if kind.shape == "struct":
        return f"v1.{kind.go_name}"
    if kind.format in {"int32", "int64"}:
        return kind.format
    return _GO_TYPES.get(next(iter(sorted(kind.accepts)), ""), "interface {}")


def _without_indexes(path: str) -> str:
    return "".join(piece.partition("]")[2] if i else piece for i, piece in enumerate(path.split("[")))


def decode(resource: Resource, body: Any, validation: str = "") -> tuple[Object, list[str]]:
    """The object that a body stands for, and warnings about it.

    `validation` is the request's fieldValidation: Strict refuses unknown fields, Warn (the
    default) warns of them, Ignore drops them silently.
    """
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type " + resource.kind + ")")
    _check_kind(resource, body)
    reading = _Reading()
    try:
        decoded: Object = reading.read(body, type_of(resource), "", resource.kind)
    except Mismatch as mismatch:
        raise _refusal(resource, body, mismatch) from None
    decoded.setdefault("metadata", {})
    unknown = [f'unknown field "{path}"' for path in reading.unknown]
    if unknown and validation == "Strict":
        raise bad_request(_undecodable(resource, f"strict decoding error: {', '.join(unknown)}"))
    typed = {"apiVersion": resource.api_version, "kind": resource.kind}
    ordered = {**typed, **decoded, **typed}
    return ordered, [] if validation == "Ignore" else unknown


def decode_applied(resource: Resource, body: Any) -> Object:
    """The configuration of a server-side apply, which may only have fields of its type."""
    if not isinstance(body, dict) or not body.get("kind") or not body.get("apiVersion"):
        given = body if isinstance(body, dict) else {}
        group, _, version = str(given.get("apiVersion") or "").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={given.get('kind') or ''}")
    metadata = table(body, "metadata")
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    prefix = f"failed to create typed patch object ({name}; {resource.api_version}, Kind={resource.kind}): "
    _check_kind(resource, body)
    reading = _Reading()
    try:
        decoded: Object = reading.read(body, type_of(resource), "", resource.kind)
    except Mismatch as mismatch:
        expected = {"integer": "numeric (int or float)", "number": "numeric (int or float)", "array": "list"}
        noun = expected.get(mismatch.expected, mismatch.expected)
        reason = f".{mismatch.path}: expected {noun}, got {_json_type(mismatch.value)}"
        raise ApiError(500, "", prefix + reason) from None
    if reading.unknown:
        raise ApiError(500, "", prefix + f".{reading.unknown[0]}: field not declared in schema")
    decoded.setdefault("metadata", {})
    return decoded


def _check_kind(resource: Resource, body: Object) -> None:
    if resource.custom and not (body.get("kind") and body.get("apiVersion")):
        missing = "Kind" if not body.get("kind") else "apiVersion"
        shown = json.dumps(body)
        unknown = f"the object provided is unrecognized (must be of type {resource.kind})"
        raise bad_request(f"{unknown}: Object '{missing}' is missing in '{shown}' ({shown[:30]} ...)")
    version, kind = body.get("apiVersion") or resource.api_version, body.get("kind") or resource.kind
    if version != resource.api_version:
        expected = f"the expected API version ({resource.api_version})"
        raise bad_request(f"the API version in the data ({version}) does not match {expected}")
    if kind != resource.kind:
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}')


def _undecodable(resource: Resource, reason: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {reason}'


def _refusal(resource: Resource, body: Object, mismatch: Mismatch) -> ApiError:
    if not resource.custom:
        return bad_request(_undecodable(resource, str(mismatch)))
    shown = _json_type(mismatch.value)
    reason = f'{mismatch.path} in body must be of type {mismatch.expected}: "{shown}"'
    return invalid(
        resource, str(table(body, "metadata").get("name", "")), [wrong(mismatch.path, shown, reason)]
    )


def wrong_choices(value: Any, kind: Type, path: str = "") -> Iterable[tuple[str, Any, list[str]]]:
    """(path, value, allowed values) of each field whose value its type does not allow."""
    if kind.shape == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from wrong_choices(item, kind.item, f"{path}[{index}]")
    elif kind.shape == "struct" and isinstance(value, dict):
        for name, item in value.items():
            yield from wrong_choices(item, kind.child(name), f"{path}.{name}" if path else name)
    elif kind.enum and value not in kind.enum:
        yield path, value, list(kind.enum)


def missing_fields(value: Any, kind: Type, path: str = "") -> Iterable[str]:
    """Paths of required fields that are not there; a required struct is named by what it lacks itself."""
    if kind.shape == "list" and isinstance(value, list):
        for index, entry in enumerate(value):
            yield from missing_fields(entry, kind.item, f"{path}[{index}]")
    elif kind.shape == "map" and isinstance(value, dict):
        for key, entry in value.items():
            yield from missing_fields(entry, kind.item, f"{path}[{key}]")
    elif kind.shape == "struct" and isinstance(value, dict):
        for name, item in kind.fields.items():
            inner = f"{path}.{name}" if path else name
            if name in value:
                yield from missing_fields(value[name], item, inner)
                if name in kind.required and value[name] == [] and item.shape == "list":
                    yield inner
            elif name in kind.required:
                deeper = list(missing_fields({}, item, inner)) if item.shape == "struct" else []
                yield from deeper or [inner]
