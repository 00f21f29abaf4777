"""Who wrote the fields of an object, as `managedFields` records it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.infrastructure.drift.fields import Path, key_text
from bot.model.manifest import Manifest

_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Owner:
    """A field manager with the fields that it wrote last."""

    manager: str
    at: datetime | None
    subresource: str
    paths: frozenset[Path]
    """Its fields, and the items of lists that it created."""


def owners(live: Manifest) -> Sequence[Owner]:
    """The field managers of an object; those of its status are left out."""
    entries = live["metadata"].get("managedFields") or []
    return [
        Owner(
            str(entry.get("manager") or ""),
            _moment(entry.get("time")),
            str(entry.get("subresource") or ""),
            frozenset(map(_stored, _paths(entry.get("fieldsV1") or {}))),
        )
        for entry in entries
        if entry.get("operation") and entry.get("subresource") != "status"
    ]


def owner_of(path: Path, managers: Sequence[Owner], own: str) -> Owner | None:
    """Who wrote a field, or an ancestor or part of it, last; None if that is not recorded.

    `own` is our field manager, which is named only if no other one wrote it.
    """
    candidates = [
        (owner.manager != own, overlap, owner.at is not None, owner.at, position, owner)
        for position, owner in enumerate(managers)
        if (overlap := max((_overlap(path, owned) for owned in owner.paths), default=0))
    ]
    if not candidates:
        return None
    epoch = datetime.min
    return max(
        candidates,
        key=lambda entry: (entry[0], entry[1], (entry[3] or epoch).replace(tzinfo=None), entry[4]),
    )[-1]


def creator(live: Manifest, managers: Sequence[Owner]) -> tuple[str, datetime | None]:
    """Who created an object, and when."""
    timed = [owner for owner in managers if owner.at is not None]
    first = min(timed, key=lambda owner: owner.at or datetime.max, default=None)
    manager = first.manager if first is not None else next((owner.manager for owner in managers), "")
    return manager, _moment(live["metadata"].get("creationTimestamp"))


def _overlap(path: Path, owned: Path) -> int:
    """How well an owned path explains a changed one: 3 for itself, 2 for a part of it, 1 for an ancestor."""
    if owned == path:
        return 3
    if owned[: len(path)] == path:
        return 2
    return 1 if path[: len(owned)] == owned else 0


def _paths(fields: Any, path: Path = ()) -> Iterator[Path]:
    if not isinstance(fields, Mapping) or len(path) > _MAX_DEPTH:
        return
    for name, inner in fields.items():
        if name == ".":
            if path and path[-1].startswith("["):  # an item; a mapping is known by its fields
                yield path
            continue
        here = (*path, _segment(str(name)))
        if not inner:
            yield here
        yield from _paths(inner, here)


def _stored(path: Path) -> Path:
    """A Secret's `stringData` is stored in `data`."""
    return ("data", *path[1:]) if path[0] == "stringData" else path


def _segment(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "f":
        return rest
    try:
        value = json.loads(rest)
    except ValueError:
        return f"[{rest}]"
    return f"[{key_text(value) if isinstance(value, dict) else value}]"


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
