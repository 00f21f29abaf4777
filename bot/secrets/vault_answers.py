"""What Vault answers: JSON objects, or an outage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from bot.model.errors import Unavailable


def json_of(response: httpx.Response) -> Mapping[str, Any]:
    """Fractions are kept as they are written, since values may be numbers."""
    try:
        content = response.json(parse_float=str)
    except (ValueError, RecursionError):
        content = None
    if response.status_code != 200 or not isinstance(content, Mapping):
        raise unusable(response.status_code)
    return content


def unusable(status: int = 200) -> Unavailable:
    return Unavailable(
        f"Vault gives no usable answer (status {status}): is `vault.address` in GREENROOM_SECRETS_MANAGERS "
        "right?"
    )


def may_update(answer: object, path: str) -> bool:
    rights = answer.get(path) if isinstance(answer, Mapping) else None
    return isinstance(rights, list) and bool({"update", "root"} & set(map(str, rights)))
