"""Kubernetes objects as plain dictionaries, and the few helpers that every module needs."""

import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

Object = dict[str, Any]
Clock = Callable[[], float]

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_names = random.Random()  # noqa: S311 - names need to be distinct, not secret


def clone(value: Any) -> Any:
    """A deep copy of JSON data, about ten times quicker than copy.deepcopy."""
    return msgspec.json.decode(msgspec.json.encode(value))


def name_of(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def namespace_of(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def uid_of(obj: Object) -> str:
    return str(obj["metadata"].get("uid", ""))


def is_deleting(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as metav1.Time (UTC, whole seconds)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def generate_name(prefix: str) -> str:
    """`prefix` and five random characters, 63 at most, as the name generator of Kubernetes does."""
    return prefix[:58] + "".join(_names.choices(_NAME_ALPHABET, k=5))


def dig(value: Any, *path: str) -> Any:
    """The value below nested dictionaries, or None where the path ends early."""
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def table(value: Any, *path: str) -> Object:
    """Like `dig`, for a dictionary; empty by default."""
    value_at = dig(value, *path)
    return value_at if isinstance(value_at, dict) else {}


def rows(value: Any, *path: str) -> list[Any]:
    """Like `dig`, for a list; empty by default."""
    value_at = dig(value, *path)
    return value_at if isinstance(value_at, list) else []
