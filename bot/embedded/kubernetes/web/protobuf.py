"""The two protobuf bodies that kubectl sends: the reviews behind `kubectl auth can-i`.

kubectl writes typed objects as protobuf and does not fall back to JSON. The numbers are those
of the fields in the API's published .proto files.
"""

from __future__ import annotations

from typing import Any

from bot.embedded.kubernetes.errors import bad_request, unsupported_media_type
from bot.embedded.kubernetes.objects import Object

_MAGIC = b"k8s\x00"
_Schema = dict[int, Any]
_ENVELOPE: _Schema = {1: ("typeMeta", {1: "apiVersion", 2: "kind"}), 2: "raw"}
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_SPECS: dict[str, _Schema] = {
    "SelfSubjectAccessReview": {
        1: ("resourceAttributes", dict(enumerate(_ATTRIBUTES, 1))),
        2: ("nonResourceAttributes", {1: "path", 2: "verb"}),
    },
    "SelfSubjectRulesReview": {1: "namespace"},
}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _message(data: bytes, schema: _Schema) -> dict[str, Any]:
    """Fields of the wire format that the schema names; all of them are length-delimited."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            _, at = _varint(data, at)
            continue
        size, at = _varint(data, at)
        piece, at = data[at : at + size], at + size
        known = schema.get(tag >> 3)
        if isinstance(known, tuple):
            found[known[0]] = _message(piece, known[1])
        elif known == "raw":
            found[known] = piece
        elif known:
            found[known] = piece.decode()
    return found


def read_review(body: bytes) -> Object:
    """A SelfSubjectAccessReview or SelfSubjectRulesReview; a 415 for any other kind."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is no Kubernetes protobuf")
    try:
        envelope = _message(body.removeprefix(_MAGIC), _ENVELOPE)
        kind = envelope["typeMeta"]["kind"]
        if kind not in _SPECS:
            raise unsupported_media_type(["application/json", "application/yaml"])
        spec = _message(envelope["raw"], {2: ("spec", _SPECS[kind])})
    except (IndexError, KeyError, UnicodeDecodeError):
        raise bad_request("the body cannot be read as protobuf") from None
    return {"apiVersion": envelope["typeMeta"]["apiVersion"], "kind": kind, "spec": spec.get("spec", {})}
