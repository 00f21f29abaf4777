"""Records that are stored as JSON in one column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from bot.commands.outcome import Outcome
from bot.model.environment import Attempt
from bot.model.promotion import GateResult, Hold, Lock, Pin, Promotion, StageRecord, TimelineEntry
from bot.model.protection import Protection, Reviewers

T = TypeVar("T")

_STORED_NAMES: Mapping[type, Mapping[str, str]] = {
    Attempt: {
        "overrides": "wishes",
        "probe_successes": "answers",
        "check_attempts": "tries",
        "unstable_since": "unsteady_since",
    },
    GateResult: {"reason": "why"},
    Hold: {"reason": "why"},
    Lock: {"reason": "why"},
    Outcome: {"reason": "why", "ignored": "more"},
    Pin: {"problem": "why"},
    Promotion: {
        "requested_release": "wanted",
        "rollback_target": "back_to",
        "placed_hold": "holds",
        "waiting_for": "waits",
        "timeline": "story",
        "reason": "why",
    },
    Protection: {"unsupported_rules": "others"},
    Reviewers: {"users": "people"},
    StageRecord: {"active_promotion": "moving"},
    TimelineEntry: {"event": "what"},
}
"""Fields whose stored name differs: they were renamed in the program after the first release."""


def encode(record: object) -> str:
    """The JSON text of a record."""
    return msgspec.json.encode(_stored(record)).decode()


def decoder(kind: type[T]) -> Callable[[str], T]:
    """A function from JSON text to a record of the given class."""
    rename = _renamer(kind)  # type: ignore[arg-type]  # a class is hashable
    if rename is None:
        return msgspec.json.Decoder(kind).decode
    return lambda text: msgspec.convert(rename(msgspec.json.decode(text)), kind)


def _stored(value: Any) -> Any:
    """The value as JSON types, with the stored names of its fields."""
    if is_dataclass(value):
        names = _STORED_NAMES.get(type(value), {})
        return {
            names.get(field.name, field.name): _stored(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {key: _stored(item) for key, item in value.items()}
    return [_stored(item) for item in value] if isinstance(value, list | tuple | frozenset) else value


@cache
def _renamer(kind: Any) -> Callable[[Any], Any] | None:
    """A function that gives stored fields their present names; None where no field was renamed."""
    if is_dataclass(kind):
        stored_names: Mapping[str, str] = _STORED_NAMES.get(kind, {})  # type: ignore[arg-type]  # it is a class
        present = {stored: name for name, stored in stored_names.items()}
        hints = get_type_hints(kind)
        within = {name: rename for name, hint in hints.items() if (rename := _renamer(hint)) is not None}

        def rename_fields(stored: dict[str, Any]) -> dict[str, Any]:
            named = {present.get(name, name): value for name, value in stored.items()}
            return {name: within[name](value) if name in within else value for name, value in named.items()}

        return rename_fields if present or within else None
    rename_item = next((rename for part in get_args(kind) if (rename := _renamer(part)) is not None), None)
    if rename_item is None:
        return None
    if get_origin(kind) in (Union, UnionType):
        return lambda value: None if value is None else rename_item(value)
    return lambda value: (
        {key: rename_item(item) for key, item in value.items()}
        if isinstance(value, dict)
        else [rename_item(item) for item in value]
    )
