"""Sentences about fields of manifests that the guard removed or replaced. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bot.model.manifest import FieldChange

_MAX_FIELDS = 5
_MAX_OBJECTS = 3
_MAX_LENGTH = 160


def field_changes(changes: Sequence[FieldChange]) -> str:
    """One sentence for changes with the same reason; a long list is shortened."""
    objects: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        objects.setdefault((change.field, change.value), []).append(change.object)
    first = itertools.islice(objects.items(), _MAX_FIELDS)
    parts = [_fields(field, value, names) for (field, value), names in first]
    verb = "Set" if changes[0].value else "Removed"
    return f"{verb} {_joined(parts, len(objects), '; ')}: {changes[0].reason}."


def field_change(change: FieldChange) -> str:
    """The same for a single change."""
    return field_changes([change])


def _fields(field: str, value: str, objects: Sequence[str]) -> str:
    names = _joined([_code(name) for name in objects[:_MAX_OBJECTS]], len(objects), ", ")
    if not field:
        return names
    new_value = f" to {_code(value)}" if value else ""
    return f"{_code(field)}{new_value} in {names}"


def _joined(shown: Sequence[str], number: int, separator: str) -> str:
    hidden = [f"{number - len(shown)} more"] if number > len(shown) else []
    return separator.join([*shown, *hidden])


def _code(text: str) -> str:
    text = " ".join(text[: 4 * _MAX_LENGTH].replace("`", "'").split())
    return f"`{text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + '…'}`"
