"""Sets of field paths, as managedFields keep them (FieldsV1).

A path is a tuple of elements in their written form: `f:spec`, `k:{"name":"app"}`, `v:"a"`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.schema.types import KEY_DEFAULTS, Type

Path = tuple[str, ...]
Paths = frozenset[Path]
_encoder = msgspec.json.Encoder(order="sorted")
EMPTY: Paths = frozenset()


def written(value: Any) -> str:
    return _encoder.encode(value).decode()


def element(kind: Type, item: Any) -> str:
    """The path element of one item of a set or of a list with keys."""
    if kind.is_set:
        return f"v:{written(item)}"
    keys = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in kind.keys}
    return f"k:{written({key: value for key, value in keys.items() if value is not None})}"


def keyed(kind: Type, items: Any) -> dict[str, Any]:
    """The items of a set or of a list with keys, by path element; of duplicates, the last."""
    return {element(kind, item): item for item in items or []}


def path_set(value: Any, kind: Type, path: Path = ()) -> set[Path]:
    """The paths that the writer of this value owns."""
    if kind.atomic:
        return {path}
    if kind.shape == "list":
        content = set()
        for item in value or []:
            inner = (*path, element(kind, item))
            content |= path_set(item, kind.item, inner) | {inner}
        return content
    content = set()
    for name, entry in (value or {}).items():
        inner = (*path, f"f:{name}")
        content |= path_set(entry, kind.child(name), inner)
        if entry is None or entry == {} or kind.shape == "map":
            content.add(inner)
    return content


@dataclass
class Comparison:
    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    @property
    def written(self) -> set[Path]:
        return self.added | self.modified


_ABSENT = object()


def compare(old: Any, new: Any, kind: Type) -> Comparison:
    value = Comparison()
    _compare(old, new, kind, (), value)
    return value


def _compare(old: Any, new: Any, kind: Type, path: Path, value: Comparison) -> None:
    if old is not _ABSENT and new is not _ABSENT and old == new:
        return
    present_old, present_new = old is not _ABSENT, new is not _ABSENT
    empty = not kind.atomic and not (present_old and old) and not (present_new and new)
    if present_old and not present_new:
        value.removed.add(path)
    elif present_new and not present_old:
        value.added.add(path)
    elif kind.atomic or empty:
        value.modified.add(path)
    if kind.atomic or empty:
        return
    before = _children(old, kind) if present_old else {}
    after = _children(new, kind) if present_new else {}
    for name in {**before, **after}:
        child = kind.item if kind.shape == "list" else kind.child(name[2:])
        _compare(before.get(name, _ABSENT), after.get(name, _ABSENT), child, (*path, name), value)


def _children(value: Any, kind: Type) -> dict[str, Any]:
    if kind.shape == "list":
        return keyed(kind, value)
    return {f"f:{name}": item for name, item in (value or {}).items()}


def encode(paths: Iterable[Path]) -> Object:
    """Paths as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _folded(root)


def _folded(node: Object) -> Object:
    """A member without children is written `{}`, not `{".": {}}`."""
    return {
        step: {} if step == "." or set(below) == {"."} else _folded(below) for step, below in node.items()
    }


def decode(fields: Object) -> Paths:
    """FieldsV1 as paths."""
    results: set[Path] = set()

    def walk(node: Object, path: Path) -> None:
        for step, below in node.items():
            if step == ".":
                results.add(path)
            elif below:
                walk(below, (*path, step))
            else:
                results.add((*path, step))

    walk(fields, ())
    return frozenset(results)


def readable(path: Path) -> str:
    """A path as messages show it: `.spec.containers[name="app"].image`."""
    messages = []
    for step in path:
        if step.startswith("f:"):
            messages.append(f".{step[2:]}")
        elif step.startswith("k:"):
            keys = json.loads(step[2:])
            messages.append(
                "[" + ",".join(f"{key}={written(value)}" for key, value in sorted(keys.items())) + "]"
            )
        else:
            messages.append(f"[={step[2:]}]")
    return "".join(messages)
