"""Notes: how the objects of an environment differ from the manifests, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What happened to an object or a field of the manifests."""

    KEPT = "kept"
    """It stays although it may surprise, for example because another value overrides it."""
    REWRITTEN = "rewritten"
    LEFT_OUT = "left out"
    GENERATED = "generated"
    MISSING = "missing"
    """The manifests refer to it, and neither they nor Greenroom create it."""


@dataclass(frozen=True, slots=True)
class Note:
    """One difference. Notes with the same effect and reason become one sentence.

    The transforms and the guard return notes. `bot/github/messages/manifest_notes.py` renders them for the
    check run, the pages and `greenroom render`; the comment shows their number, and those that are missing.
    """

    effect: Effect
    object: str
    """Kind and name, such as `Deployment/shop`; "" for all objects."""
    reason: str
    """Completes the sentence "Left out FIELD in OBJECT: REASON.", without a full stop."""
    field: str = ""
    """Path of the field, such as `spec.type`; "" for the object itself."""
    value: str = ""
    """The new value of the field; "" if it has none or is too long to show."""
    in_comment: bool = False
    """Whether the comment shows it as well, not only its number."""


def grouped(notes: Sequence[Note]) -> list[tuple[Note, ...]]:
    """The notes by effect and reason, in the order of the effects and of the first note of each group."""
    groups: dict[tuple[Effect, str], list[Note]] = {}
    for note in sorted(notes, key=lambda note: list(Effect).index(note.effect)):
        groups.setdefault((note.effect, note.reason), []).append(note)
    return [tuple(group) for group in groups.values()]


def counts(notes: Sequence[Note]) -> dict[Effect, int]:
    """The number of notes by effect, without effects that have none."""
    numbers = {effect: sum(note.effect is effect for note in notes) for effect in Effect}
    return {effect: number for effect, number in numbers.items() if number}
