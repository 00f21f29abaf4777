"""Tolerant reading of GitHub's JSON: the fields that are used, whatever else there is or is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.model.errors import Unavailable


def dig(data: object, *path: str) -> Any:
    """The value at the path, None as soon as something on the way is missing or no object."""
    for name in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


def text(data: object, *path: str) -> str:
    """ "" for what is missing or no text."""
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
        found = datetime.fromisoformat(text(data, *path))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def required_text(data: object, *path: str) -> str:
    """Raises TryAgain when it is missing: such an answer is not GitHub's."""
    found = text(data, *path)
    if not found:
        raise Unavailable(f"GitHub's answer lacks {'.'.join(path)}.")
    return found


def required_number(data: object, *path: str) -> int:
    found = number(data, *path)
    if found is None:
        raise Unavailable(f"GitHub's answer lacks {'.'.join(path)}.")
    return found
