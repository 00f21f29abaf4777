"""A place in an object: a value with its path, read without trusting its shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.config.documents import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is refused; `reason` ends the sentence "FIELD: …"."""

    path: Path
    reason: str


class InvalidShape(Exception):
    """A value has a shape that Kubernetes would not take either."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(expected)
        self.finding = Finding(path, f"expected {expected}")


@dataclass(frozen=True, slots=True)
class Node:
    """Reading what is absent gives an absent node; reading what has another shape raises Misshapen."""

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
        """The elements of a list, none of which is null."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise InvalidShape(self.path, "a list")
        for index, value in enumerate(self.value):
            if value is None:
                raise InvalidShape((*self.path, index), "something, and it is empty")
            yield Node(value, (*self.path, index))

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping."""
        for key, value in self._mapping().items():
            yield key, Node(value, (*self.path, key))

    def text(self) -> str:
        """The text; "" when it is absent."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise InvalidShape(self.path, "text")
        return self.value

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def __bool__(self) -> bool:
        """Whether there is anything but null."""
        return self.value is not None

    def finding(self, reason: str) -> Finding:
        return Finding(self.path, reason)

    def _mapping(self) -> dict[str, Any]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise InvalidShape(self.path, "a mapping")
        return self.value
