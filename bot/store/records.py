"""JSON of the records that are kept whole in one column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from bot.model.environment import Attempt
from bot.model.promotion import Promotion, StageRecord

T = TypeVar("T")

_STORED_NAMES: Mapping[type, Mapping[str, str]] = {
    Attempt: {
        "overrides": "wishes",
        "probe_successes": "answers",
        "check_attempts": "tries",
        "unstable_since": "unsteady_since",
    },
    Promotion: {
        "requested_release": "wanted",
        "rollback_target": "back_to",
        "placed_hold": "holds",
        "waiting_for": "waits",
        "timeline": "story",
    },
    StageRecord: {"active_promotion": "moving"},
}
"""Fields whose stored name differs: they were renamed in the program after the first release."""


def encode(record: object) -> str:
    """The JSON text of a record."""
    names = _STORED_NAMES.get(type(record), {})
    fields = msgspec.to_builtins(record)
    return msgspec.json.encode({names.get(name, name): value for name, value in fields.items()}).decode()


def decoder(kind: type[T]) -> Callable[[str], T]:
    """A function from JSON text to a record of the given class."""
    names = {stored: name for name, stored in _STORED_NAMES.get(kind, {}).items()}
    if not names:
        return msgspec.json.Decoder(kind).decode

    def decode(text: str) -> T:
        fields: dict[str, Any] = msgspec.json.decode(text)
        return msgspec.convert({names.get(name, name): value for name, value in fields.items()}, kind)

    return decode
