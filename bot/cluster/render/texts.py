"""Texts of objects: where an environment keeps generated ones, and their encodings. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.cluster.pod_templates import CONTAINERS, POD_TEMPLATES
from bot.config.documents import Path

PLACEHOLDER = re.compile(r"generated-[0-9a-f]{12}")
BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_VALUES = {"Secret": ("data", "stringData"), "ConfigMap": ("data",)}
_RUN_FIELDS = ("args", "command")


def is_value(kind: str, path: Path) -> bool:
    """Whether the field holds data, a variable or an argument: what an environment keeps."""
    if path[:1] and path[0] in _VALUES.get(kind, ()):
        return len(path) == 2
    inside = _in_container(kind, path)
    return bool(inside) and (
        (len(inside) == 2 and inside[0] in _RUN_FIELDS)
        or (len(inside) == 3 and inside[0] == "env" and inside[2] == "value")
    )


def decoded(kind: str, path: Path, text: str) -> str | None:
    """The text of a value, without the base64 of a Secret's `data`; None if that is invalid."""
    if kind != "Secret" or path[:1] != ("data",):
        return text
    try:
        return base64.b64decode(text, validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        return None


def encoded(kind: str, path: Path, text: str) -> str:
    """The reverse of `decoded`."""
    return encode(text) if kind == "Secret" and path[:1] == ("data",) else text


def encode(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode()


def printable(text: str) -> str | None:
    """The printable text that `text` encodes as base64; None if it does not."""
    if not BASE64.fullmatch(text) or len(text) % 4:
        return None
    try:
        content = base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None
    return content if all(character.isprintable() or character in "\n\t\r" for character in content) else None


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """All texts in a value, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


def with_texts(value: Any, texts: Mapping[Path, str], path: Path = ()) -> Any:
    """A copy with other texts at the paths."""
    if isinstance(value, Mapping):
        return {key: with_texts(item, texts, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_texts(item, texts, (*path, index)) for index, item in enumerate(value)]
    return texts.get(path, value)


def _in_container(kind: str, path: Path) -> Path:
    """The path inside of a container; () outside of all."""
    prefix = POD_TEMPLATES.get(kind)
    if prefix is None or path[: len(prefix)] != prefix:
        return ()
    inside = path[len(prefix) :]
    return inside[3:] if inside[:1] == ("spec",) and len(inside) > 3 and inside[1] in CONTAINERS else ()
