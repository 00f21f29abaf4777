"""Records that are stored as JSON in one column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from bot.commands.outcome import Outcome
from bot.model.environment import Attempt
from bot.model.promotion import GateResult, Hold, Lock, Pin, Promotion, StageRecord, TimelineEntry
from bot.model.protection import Protection, Reviewers
from bot.model.release import Target

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

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


_DOCUMENTS: Mapping[type, frozenset[str]] = {
    Attempt: frozenset({"configuration"}),
    Promotion: frozenset({"policy", "configuration"}),
    Target: frozenset({"configuration"}),
}
"""Fields whose texts are documents: the record has their digests."""

Keep = Callable[[str], str]
"""Stores a document and returns its digest."""
Resolve = Callable[[str], str]
"""The document of a digest."""


def _no_documents(text: str) -> str:
    raise TypeError("records with documents are stored and read within a transaction")


def encode(record: object, keep: Keep = _no_documents) -> str:
    """The JSON text of a record."""
    return msgspec.json.encode(_stored(record, keep)).decode()


class Decode(Protocol[T_co]):
    def __call__(self, text: str, resolve: Resolve = _no_documents) -> T_co: ...


def decoder(kind: type[T]) -> Decode[T]:
    """A function from JSON text to a record of the given class."""
    load = _loader(kind)  # type: ignore[arg-type]  # a class is hashable
    plain = msgspec.json.Decoder(kind)

    def decode(text: str, resolve: Resolve = _no_documents) -> T:
        if load is None:
            return plain.decode(text)
        return msgspec.convert(load(msgspec.json.decode(text), resolve), kind)

    return decode


def _stored(value: Any, keep: Keep) -> Any:
    """The value as JSON types, with the stored names of its fields."""
    if is_dataclass(value):
        names, documents = _STORED_NAMES.get(type(value), {}), _DOCUMENTS.get(type(value), ())
        return {
            names.get(field.name, field.name): keep(text)
            if field.name in documents and (text := getattr(value, field.name))
            else _stored(getattr(value, field.name), keep)
            for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {key: _stored(item, keep) for key, item in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_stored(item, keep) for item in value]
    return value


_Load = Callable[[Any, Resolve], Any]


@cache
def _loader(kind: Any) -> _Load | None:
    """A function that gives stored fields their current names and texts; None where nothing differs."""
    if is_dataclass(kind):
        stored_names: Mapping[str, str] = _STORED_NAMES.get(kind, {})  # type: ignore[arg-type]  # it is a class
        present = {stored: name for name, stored in stored_names.items()}
        hints = get_type_hints(kind)
        within = {name: load for name, hint in hints.items() if (load := _loader(hint)) is not None}
        within |= dict.fromkeys(_DOCUMENTS.get(kind, ()), _load_document)  # type: ignore[arg-type]  # it is a class

        def load_fields(stored: dict[str, Any], resolve: Resolve) -> dict[str, Any]:
            named = {present.get(name, name): value for name, value in stored.items()}
            return {
                name: within[name](value, resolve) if name in within else value
                for name, value in named.items()
            }

        return load_fields if present or within else None
    load_item = next((load for part in get_args(kind) if (load := _loader(part)) is not None), None)
    if load_item is None:
        return None
    if get_origin(kind) in (Union, UnionType):
        return lambda value, resolve: None if value is None else load_item(value, resolve)
    return lambda value, resolve: (
        {key: load_item(item, resolve) for key, item in value.items()}
        if isinstance(value, dict)
        else [load_item(item, resolve) for item in value]
    )


def _load_document(stored: str | None, resolve: Resolve) -> str | None:
    return resolve(stored) if stored else stored
