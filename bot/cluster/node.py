"""Typed access to a value of an untrusted object, together with its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.config.documents import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal. `reason` completes the message "FIELD: REASON."."""

    path: Path
    reason: str


def shortened(text: str, longest: int) -> str:
    """The beginning and the end of a long text."""
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-(longest // 2 - 1) :]}"


class InvalidShape(Exception):
    """A value does not have the type that Kubernetes requires."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(expected)
        self.finding = Finding(path, f"expected {expected}")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its path. Absent fields give an absent node; other types raise InvalidShape."""

    value: Any
    path: Path = ()

    def __getitem__(self, key: str) -> Node:
        return Node(self._mapping().get(key), (*self.path, key))

    def at(self, *keys: str) -> Node:
        node = self
        for key in keys:
            node = node[key]
        return node

    def items(self) -> Iterator[Node]:
        """The items of a list; none of them is null."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise InvalidShape(self.path, "a list")
        for index, value in enumerate(self.value):
            if value is None:
                raise InvalidShape((*self.path, index), "a value instead of null")
            yield Node(value, (*self.path, index))

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping."""
        for key, value in self._mapping().items():
            yield key, Node(value, (*self.path, key))

    def text(self) -> str:
        """The string; "" when it is absent."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise InvalidShape(self.path, f"a string{_advice(self.value)}")
        return self.value

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def __bool__(self) -> bool:
        """Whether the value is present and not null."""
        return self.value is not None

    def finding(self, reason: str) -> Finding:
        return Finding(self.path, reason)

    def _mapping(self) -> dict[str, Any]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise InvalidShape(self.path, "a mapping")
        return self.value


def _advice(value: Any) -> str:
    """What to do about an unquoted value that YAML reads as a boolean or a number."""
    if isinstance(value, bool):
        words = "`y`, `yes`, `on` and `true`" if value else "`n`, `no`, `off` and `false`"
        return f"; unquoted {words} are booleans in YAML: quote the value"
    return f'; quote the value: "{value}"' if isinstance(value, int) else ""
