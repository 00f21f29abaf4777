"""Reads fields of GitHub's JSON; absent fields and wrong types yield a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.model.errors import Unavailable


def dig(data: object, *path: str) -> Any:
    """The value at the path; None when a part is missing or not an object."""
    for name in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


def text(data: object, *path: str) -> str:
    """The text at the path; an empty string by default."""
    value = dig(data, *path)
    return value if isinstance(value, str) else ""


def number(data: object, *path: str) -> int | None:
    value = dig(data, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(data: object, *path: str) -> bool:
    return dig(data, *path) is True


def items(data: object, *path: str) -> Sequence[Any]:
    value = dig(data, *path)
    return value if isinstance(value, list) else ()


def timestamp(data: object, *path: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(text(data, *path))
    except ValueError:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def required_text(data: object, *path: str) -> str:
    """The text at the path; raises Unavailable when it is missing."""
    value = text(data, *path)
    if not value:
        raise Unavailable(f"GitHub's response lacks {'.'.join(path)}.")
    return value


def required_number(data: object, *path: str) -> int:
    value = number(data, *path)
    if value is None:
        raise Unavailable(f"GitHub's response lacks {'.'.join(path)}.")
    return value
