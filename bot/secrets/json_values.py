"""Values that secret managers keep in JSON, as text for environment variables."""

from __future__ import annotations

import json

from bot.model.errors import Rejected

NOT_TEXT = "the value is not text, so it cannot be an environment variable: store text or a number there"


def is_text(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def text_of(value: object) -> str:
    """The text of a string or a number. Raises Rejected for everything else, without the value."""
    if not is_text(value):
        raise Rejected(NOT_TEXT)
    return str(value)


def field_of(text: str, key: str) -> str:
    """The text of a key in a JSON object; numbers as they are written. Raises Rejected, without a value."""
    try:
        content = json.loads(text, parse_float=str)[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Rejected(
            f"the secret is not a JSON object with the key {key}: compare the key with the secret"
        ) from None
    return text_of(content)
