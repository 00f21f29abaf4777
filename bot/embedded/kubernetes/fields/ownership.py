"""Ownership of fields (managedFields), and server-side apply."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.embedded.kubernetes.errors import Cause, apply_conflict
from bot.embedded.kubernetes.fields.merge import merge, without
from bot.embedded.kubernetes.fields.paths import (
    EMPTY,
    Path,
    Paths,
    compare,
    decode,
    encode,
    path_set,
    readable,
)
from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.schema.types import Type

_UNOWNED = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        *("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields"),
        *("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"),
    )
}


@dataclass(frozen=True)
class Writer:
    """A writer: name of the field manager, subresource and time (metav1.Time)."""

    name: str
    api_version: str
    time: str
    subresource: str = ""
    ignored: frozenset[str] = frozenset()
    """Top-level fields that this endpoint does not write, such as `status` on the object itself."""


@dataclass(frozen=True)
class _Key:
    name: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        message = f'"{self.name}"'
        if self.subresource:
            message += f' with subresource "{self.subresource}"'
        return message if self.operation == "Apply" else f"{message} using {self.api_version}"


@dataclass(frozen=True)
class _Entry:
    paths: Paths
    time: str


_Owners = dict[_Key, _Entry]


def owners_of(obj: Object) -> _Owners:
    fields = {}
    for raw in obj.get("metadata", {}).get("managedFields") or []:
        key = _Key(
            raw.get("manager", ""),
            raw.get("operation", ""),
            raw.get("apiVersion", ""),
            raw.get("subresource", ""),
        )
        if key.operation:
            fields[key] = _Entry(decode(raw.get("fieldsV1") or {}), raw.get("time", ""))
    return fields


def _with_owners(obj: Object, owners: _Owners) -> Object:
    entries = []
    order = sorted(
        owners.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name, item[0].subresource)
    )
    for key, entry in order:
        if not entry.paths:
            continue
        raw: Object = {
            "manager": key.name,
            "operation": key.operation,
            "apiVersion": key.api_version,
            **({"time": entry.time} if key.subresource != "scale" else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(entry.paths),
        }
        if key.subresource:
            raw["subresource"] = key.subresource
        entries.append(raw)
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": {**metadata, "managedFields": entries} if entries else metadata}


def _owned(paths: Iterable[Path], writer: Writer) -> Paths:
    ignored = {f"f:{name}" for name in writer.ignored}
    return frozenset(path for path in paths if path and path not in _UNOWNED and path[0] not in ignored)


def updated(live: Object, new: Object, kind: Type, writer: Writer) -> Object:
    """`new`, where the writer owns whatever it changes against `live`."""
    owners = owners_of(live)
    change = compare(_bare(live), _bare(new), kind)
    written, removed = _owned(change.written, writer), frozenset(change.removed)
    for key, entry in list(owners.items()):
        owners[key] = _Entry(entry.paths - written - removed, entry.time)
    key = _Key(writer.name, "Update", writer.api_version, writer.subresource)
    mine = owners_of(live).get(key, _Entry(EMPTY, writer.time))
    paths = (mine.paths | written) - removed
    owners[key] = _Entry(paths, mine.time if paths == mine.paths and not written else writer.time)
    return _with_owners(new, owners)


def applied(live: Object, config: Object, kind: Type, writer: Writer, force: bool) -> Object:
    """`live` after this configuration is applied to it; a 409 for fields that others own, unless forced."""
    owners = owners_of(live)
    if live.get("metadata", {}).get("uid") and not owners:
        owners[_Key("before-first-apply", "Update", writer.api_version, "")] = _Entry(
            _owned(compare({}, _bare(live), kind).added, writer), writer.time
        )
    key = _Key(writer.name, "Apply", writer.api_version, writer.subresource)
    before = owners.pop(key, None)
    config = {name: value for name, value in config.items() if name not in writer.ignored}
    requested = _owned(path_set(_bare(config), kind), writer)
    merged = merge(_bare(live), _bare(config), kind)
    change = compare(_bare(live), merged, kind)
    contested = requested & frozenset(change.written)
    conflicts = [(other, path) for other, entry in owners.items() for path in sorted(entry.paths & contested)]
    if conflicts and not force:
        raise apply_conflict(
            [
                Cause("FieldManagerConflict", f"conflict with {other}", readable(path))
                for other, path in conflicts
            ]
        )
    owners = {other: _Entry(entry.paths - contested, entry.time) for other, entry in owners.items()}
    if before is not None:
        merged = _pruned(
            merged, kind, before.paths, requested.union(*(entry.paths for entry in owners.values()))
        )
    gone = frozenset(compare(_bare(live), merged, kind).removed)
    owners = {other: _Entry(entry.paths - gone, entry.time) for other, entry in owners.items()}
    unchanged = before is not None and before.paths == requested
    owners[key] = _Entry(requested, before.time if before is not None and unchanged else writer.time)
    return _with_owners(merged, owners)


def _pruned(merged: Object, kind: Type, before: Paths, still: Paths) -> Any:
    """Without the fields that this manager applied before and no manager owns now."""
    owned = _with_structs(still) | {("f:metadata",)}
    return without(merged, kind, [path for path in _with_structs(before) if path not in owned])


def _with_structs(paths: Paths) -> set[Path]:
    """The paths with the fields above each: the owner of a field keeps the structs around it."""
    above = {path[:end] for path in paths for end in range(1, len(path)) if path[end - 1].startswith("f:")}
    return above | paths


def _bare(obj: Object) -> Object:
    """Without managedFields, which no manager owns."""
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def is_reset(obj: Object) -> bool:
    """Whether a client asks to forget all owners, by a list with one empty entry."""
    return bool(obj.get("metadata", {}).get("managedFields") == [{}])


def disowned(obj: Object) -> Object:
    return _bare(obj)


def same_but_for_times(left: Object, right: Object) -> bool:
    """Whether two objects differ in nothing but the times of their managedFields."""
    return _bare(left) == _bare(right) and _timeless(left) == _timeless(right)


def _timeless(obj: Object) -> list[Object]:
    entries = obj.get("metadata", {}).get("managedFields") or []
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries]
