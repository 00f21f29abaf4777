"""Sentences about the differences between manifests and the objects of an environment. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from bot.github.messages.markdown import ended
from bot.model.notes import Effect, Note

_MAX_FIELDS = 5
_MAX_OBJECTS = 3
_MAX_LENGTH = 160
_VERBS = {
    Effect.KEPT: "Kept",
    Effect.REWRITTEN: "Set",
    Effect.LEFT_OUT: "Left out",
    Effect.GENERATED: "Generated",
    Effect.MISSING: "Missing",
}


def manifest_notes(notes: Sequence[Note]) -> str:
    """One sentence for notes with the same effect and reason; a long list is shortened."""
    objects: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        objects.setdefault((note.field, note.value), []).append(note.object)
    first = itertools.islice(objects.items(), _MAX_FIELDS)
    effect = notes[0].effect
    parts = [_fields(effect, field, value, names) for (field, value), names in first]
    return ended(f"{_VERBS[effect]} {_joined(parts, len(objects), '; ')}: {notes[0].reason}")


def note_counts(counts: Mapping[Effect, int]) -> str:
    """One sentence with the number of notes by effect; the caller shows those that are missing."""
    shown = [f"{number} {effect}" for effect, number in counts.items() if effect is not Effect.MISSING]
    return f"Greenroom adapted the manifests: {', '.join(shown)}. The check run lists what and why."


def _fields(effect: Effect, field: str, value: str, objects: Sequence[str]) -> str:
    names = _joined([_code(name) for name in objects[:_MAX_OBJECTS]], len(objects), ", ")
    if not field:
        return names
    if effect is Effect.KEPT and value:
        return f"{_code(value)} in {_code(field)} of {names}"
    new_value = f" to {_code(value)}" if value else ""
    return f"{_code(field)}{new_value} in {names}"


def _joined(shown: Sequence[str], number: int, separator: str) -> str:
    hidden = [f"{number - len(shown)} more"] if number > len(shown) else []
    return separator.join([*shown, *hidden])


def _code(text: str) -> str:
    text = " ".join(text[: 4 * _MAX_LENGTH].replace("`", "'").split())
    return f"`{text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + '…'}`"
