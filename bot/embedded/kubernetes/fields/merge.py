"""The merge of server-side apply: what an applied configuration makes of the live object."""

from collections.abc import Iterable
from typing import Any

from bot.embedded.kubernetes.fields.paths import Path, element, keyed
from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.schema.types import Type


def merge(live: Any, applied: Any, kind: Type) -> Any:
    """`live` with `applied` laid over it; atomic values are replaced, lists with keys merged by item."""
    if kind.atomic or live is None or applied is None:
        return applied
    if kind.shape == "list":
        return _merge_list(live, applied, kind)
    merged: Object = dict(live)
    for name, value in applied.items():
        merged[name] = merge(live[name], value, kind.child(name)) if name in live else value
    return merged


def _merge_list(live: list[Any], applied: list[Any], kind: Type) -> list[Any]:
    old, new = keyed(kind, live), keyed(kind, applied)
    order = merged_order([element(kind, item) for item in live], [element(kind, item) for item in applied])
    merged = []
    for key in order:
        if key in old and key in new:
            merged.append(merge(old[key], new[key], kind.item))
        else:
            merged.append(new[key] if key in new else old[key])
    return merged


def merged_order(live: list[str], applied: list[str]) -> list[str]:
    """The applied order, with items that only the live list has kept before their live successors."""
    in_live, in_applied = set(live), set(applied)
    shared = [key for key in applied if key in in_live]
    order: list[str] = []
    position = 0
    for key in applied:
        while position < len(live) and not (shared and live[position] == shared[0]):
            if live[position] not in in_applied:
                order.append(live[position])
            position += 1
        order.append(key)
        if shared and key == shared[0]:
            shared.pop(0)
            position += 1
    return order + [key for key in live[position:] if key not in in_applied]


def without(value: Any, kind: Type, gone: Iterable[Path]) -> Any:
    """`value` without the fields and items at these paths; containers that this empties go too."""
    doomed: set[str] = set()
    deeper: dict[str, list[Path]] = {}
    for path in gone:
        if len(path) == 1:
            doomed.add(path[0])
        elif path:
            deeper.setdefault(path[0], []).append(path[1:])
    if not doomed and not deeper:
        return value
    return (
        _pruned_list(value, kind, doomed, deeper)
        if kind.shape == "list"
        else _pruned_map(value, kind, doomed, deeper)
    )


def _pruned_map(value: Any, kind: Type, doomed: set[str], deeper: dict[str, list[Path]]) -> Any:
    kept: Object = {}
    for name, item in (value or {}).items():
        step = f"f:{name}"
        if step in doomed:
            continue
        left = without(item, kind.child(name), deeper[step]) if step in deeper else item
        if left is not None:
            kept[name] = left
    return kept or None


def _pruned_list(value: Any, kind: Type, doomed: set[str], deeper: dict[str, list[Path]]) -> Any:
    kept = []
    for item in value or []:
        step = element(kind, item)
        if step not in doomed:
            kept.append(without(item, kind.item, deeper[step]) if step in deeper else item)
    return kept or None
