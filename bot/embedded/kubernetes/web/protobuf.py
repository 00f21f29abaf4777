"""The protobuf bodies of `kubectl auth can-i` and of `kubectl create` for a few small kinds.

kubectl writes typed objects as protobuf and does not fall back to JSON. The numbers are those
of the fields in the API's published .proto files.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.embedded.kubernetes.errors import bad_request, unsupported_media_type
from bot.embedded.kubernetes.objects import Object

_MAGIC = b"k8s\x00"
Shape = Literal["text", "bytes", "message", "texts", "map", "bytes map", "quantities"]


@dataclass(frozen=True)
class _Field:
    name: str
    shape: Shape = "text"
    inner: dict[int, _Field] = field(default_factory=dict)


_Message = dict[int, _Field]
_ENVELOPE: _Message = {
    1: _Field("typeMeta", "message", {1: _Field("apiVersion"), 2: _Field("kind")}),
    2: _Field("raw", "bytes"),
}
_META: _Message = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    11: _Field("labels", "map"),
    12: _Field("annotations", "map"),
    14: _Field("finalizers", "texts"),
}
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def _with_meta(**rest: tuple[int, Shape, _Message]) -> _Message:
    found = {1: _Field("metadata", "message", _META)}
    return found | {number: _Field(name, shape, inner) for name, (number, shape, inner) in rest.items()}


_KINDS: dict[str, _Message] = {
    "SelfSubjectAccessReview": _with_meta(
        spec=(
            2,
            "message",
            {
                1: _Field("resourceAttributes", "message", dict(enumerate(map(_Field, _ATTRIBUTES), 1))),
                2: _Field("nonResourceAttributes", "message", {1: _Field("path"), 2: _Field("verb")}),
            },
        )
    ),
    "SelfSubjectRulesReview": _with_meta(spec=(2, "message", {1: _Field("namespace")})),
    "Namespace": _with_meta(),
    "ServiceAccount": _with_meta(),
    "ConfigMap": _with_meta(data=(2, "map", {}), binaryData=(3, "bytes map", {})),
    "Secret": _with_meta(data=(2, "bytes map", {}), type=(3, "text", {}), stringData=(4, "map", {})),
    "ResourceQuota": _with_meta(
        spec=(2, "message", {1: _Field("hard", "quantities"), 2: _Field("scopes", "texts")})
    ),
}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _pieces(data: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message, by number; whole numbers are not needed and skipped."""
    found, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        size, at = _varint(data, at)
        if tag & 7 == 2:
            found.append((tag >> 3, data[at : at + size]))
            at += size
    return found


def _read(data: bytes, message: _Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, piece in _pieces(data):
        known = message.get(number)
        if known is None:
            continue
        match known.shape:
            case "text":
                found[known.name] = piece.decode()
            case "bytes":
                found[known.name] = piece
            case "message":
                found[known.name] = _read(piece, known.inner)
            case "texts":
                found.setdefault(known.name, []).append(piece.decode())
            case _:
                entry = dict(_pieces(piece))
                found.setdefault(known.name, {})[entry.get(1, b"").decode()] = _value(entry, known.shape)
    return found


def _value(entry: dict[int, bytes], shape: Shape) -> str:
    """The value of one entry of a map. A quantity is a message that holds its text."""
    value = entry.get(2, b"")
    if shape == "quantities":
        value = dict(_pieces(value)).get(1, b"")
    return base64.b64encode(value).decode() if shape == "bytes map" else value.decode()


def read_protobuf(body: bytes) -> Object:
    """An object of one of the few kinds that are known; a 415 for any other."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is no Kubernetes protobuf")
    try:
        envelope = _read(body.removeprefix(_MAGIC), _ENVELOPE)
        kind = envelope["typeMeta"]["kind"]
        if kind not in _KINDS:
            raise unsupported_media_type(["application/json", "application/yaml"])
        found = _read(envelope["raw"], _KINDS[kind])
    except (IndexError, KeyError, TypeError, UnicodeDecodeError):
        raise bad_request("the body cannot be read as protobuf") from None
    return {"apiVersion": envelope["typeMeta"]["apiVersion"], "kind": kind, **found}
