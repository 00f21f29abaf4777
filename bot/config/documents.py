"""YAML and JSON text to values, within limits that no alias, nesting or repetition gets around."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from bot.config.scalars import scalar
from bot.model.errors import ManifestRefused

Path = tuple[str | int, ...]

MOST_NODES = 100_000
"""Values in all documents together, long ones counted for several, each as often as aliases repeat it."""
DEEPEST = 40
_ONE_VALUE = 100
"""Characters of a text that count as one value."""
_LONGEST_VALUE = 2**20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "<<"
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True)
class Document:
    value: Any
    lines: dict[Path, int]
    nodes: int
    """Values read so far, in this document and before it."""


def documents(file: str, content: bytes, nodes: int) -> Iterator[Document]:
    """The documents of one file; `nodes` counts what was read before. ManifestRefused names file and line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestRefused(f"{file}: the file is not UTF-8 text.") from None
    if file.endswith(".json"):
        yield _json(file, text, nodes)
        return
    try:
        yield from _Composer(text, nodes).documents()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestRefused(f"{file}:{line}: {error.problem}.") from None
    except yaml.YAMLError:
        raise ManifestRefused(f"{file}: the file has characters that YAML does not allow.") from None


class _Composer:
    """Builds values from the parser's events, so that limits hold before anything is expanded."""

    def __init__(self, text: str, nodes: int) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        self._nodes = nodes
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[Path, int] = {}

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors, self._lines = {}, {}
                value = self._value(next(self._events), ())
                yield Document(value, self._lines, self._nodes)

    def _value(self, event: Any, path: Path) -> Any:
        before = self._nodes
        self._lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(event, 1)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = self._scalar(event)
        elif len(path) >= DEEPEST:
            raise _error(event, f"it is nested deeper than {DEEPEST} levels")
        elif event.tag not in _COLLECTION_TAGS:
            raise _error(event, f"the tag {event.tag!r} is not supported")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path)
        else:
            value = self._mapping(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _sequence(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*path, len(values))))
        return values

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            if key == _MERGE and event.implicit[0]:
                for name, value in self._merge(next(self._events), path).items():
                    merged.setdefault(name, value)
                continue
            if key in values:
                raise _error(event, f"the key {key!r} stands twice")
            self._lines[(*path, key)] = event.start_mark.line + 1
            values[key] = self._value(next(self._events), (*path, key))
        return {**merged, **values} if merged else values

    def _merge(self, event: Any, path: Path) -> dict[str, Any]:
        value = self._value(event, (*path, _MERGE))
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise _error(event, "`<<` takes a mapping or a list of mappings")
        return {key: content for source in reversed(sources) for key, content in source.items()}

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise _error(event, "a key must be plain text")
        self._count(event, 1)
        value = self._scalar(event)
        if value is None:
            raise _error(event, "a key must not be empty")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _error(event, f"the anchor {event.anchor!r} is not known here")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _scalar(self, event: Any) -> Any:
        if len(event.value) > _LONGEST_VALUE:
            raise _error(event, "a value is longer than 1 MiB")
        self._count(event, len(event.value) // _ONE_VALUE)
        try:
            return scalar(event.value, event.tag, event.implicit[0])
        except ValueError as error:
            raise _error(event, str(error)) from None

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > MOST_NODES:
            raise _error(event, f"the manifests have more than {MOST_NODES} values, aliases counted in full")


def _error(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _json(file: str, text: str, nodes: int) -> Document:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(found)
        if len(values) != len(found):
            keys = [key for key, _ in found]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key {twice!r} stands twice")
        return values

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not a number in JSON")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ManifestRefused(f"{file}:{error.lineno}: this is not JSON: {error.msg}.") from None
    except RecursionError:
        raise ManifestRefused(f"{file}: it is nested deeper than {DEEPEST} levels.") from None
    except ValueError as error:
        raise ManifestRefused(f"{file}: {error}.") from None
    level, depth = [value], 0
    while level:
        nodes += len(level)
        if nodes > MOST_NODES or depth > DEEPEST:
            raise ManifestRefused(
                f"{file}: it has more than {MOST_NODES} values or is nested deeper than {DEEPEST} levels."
            )
        level = [child for parent in level for child in _children(parent)]
        depth += 1
    return Document(value, {(): 1}, nodes)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
