"""YAML and JSON text to values with line numbers, within limits that hold before aliases are expanded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bot.config.scalars import NumberError, Scalar, json_float, json_integer, json_number, key_text, scalar

Path = tuple[str | int, ...]
"""Keys and indexes that lead from a document's root to a value."""

MAX_NODES = 100_000
"""Values in all documents of one input together. Long texts count several times, aliases in full."""
MAX_DEPTH = 40
_CHARACTERS_PER_NODE = 100
_MAX_CHARACTERS = 2**20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "<<"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class DocumentError(ValueError):
    """The text is not a valid document. `line` counts from 1; None when the problem has no position."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


Resolve = Callable[[str, str | None, bool], Scalar]
"""From a scalar's text, its tag and whether it is unquoted to its value."""


@dataclass(frozen=True, slots=True)
class Document:
    value: Any
    lines: dict[Path, int]
    """The line of each key and list item."""
    nodes: int
    """Values read so far, in this document and before it."""


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a value, or of the nearest value around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def yaml_documents(
    text: str, nodes: int = 0, resolve: Resolve = scalar, limit: int = MAX_NODES
) -> Iterator[Document]:
    """The documents of a YAML text. `nodes` is the number of values read before. Raises DocumentError."""
    try:
        yield from _Composer(text, nodes, resolve, limit).documents()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(str(error.problem), line) from None
    except yaml.YAMLError:
        raise DocumentError("the file contains characters that YAML does not allow") from None


class _Composer:
    """Builds values from parser events, so that limits apply before aliases are expanded."""

    def __init__(self, text: str, nodes: int, resolve: Resolve, limit: int) -> None:
        self._resolve = resolve
        self._limit = limit
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
            if isinstance(value, float):
                value = json_number(value)
        elif len(path) >= MAX_DEPTH:
            raise _error(event, f"it is nested deeper than {MAX_DEPTH} levels")
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
                raise _error(event, f"duplicate key {key!r}")
            self._lines[(*path, key)] = event.start_mark.line + 1
            values[key] = self._value(next(self._events), (*path, key))
        return {**merged, **values} if merged else values

    def _merge(self, event: Any, path: Path) -> dict[str, Any]:
        value = self._value(event, (*path, _MERGE))
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise _error(event, "`<<` requires a mapping or a list of mappings")
        return {key: content for source in reversed(sources) for key, content in source.items()}

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise _error(event, "a key must be plain text")
        self._count(event, 1)
        value = self._scalar(event)
        if value is None:
            raise _error(event, "a key must not be empty")
        return key_text(value)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _error(event, f"undefined anchor {event.anchor!r}")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _scalar(self, event: Any) -> Any:
        if len(event.value) > _MAX_CHARACTERS:
            raise _error(event, "a value is longer than 1 MiB")
        self._count(event, len(event.value) // _CHARACTERS_PER_NODE)
        try:
            return self._resolve(event.value, event.tag, event.implicit[0])
        except ValueError as error:
            raise _error(event, str(error)) from None

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > self._limit:
            raise _error(event, f"more than {self._limit} values, with aliases counted in full")


def _error(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def json_document(text: str, nodes: int = 0) -> Document:
    """A JSON text as a document without lines. Raises DocumentError."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=json_integer,
            parse_float=json_float,
        )
    except NumberError as error:
        raise DocumentError(str(error), text.count("\n", 0, text.find(error.text)) + 1) from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"invalid JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    level, depth = [value], 0
    while level:
        nodes += len(level)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise DocumentError(
                f"it has more than {MAX_NODES} values or is nested deeper than {MAX_DEPTH} levels"
            )
        level = [child for parent in level for child in _children(parent)]
        depth += 1
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        half = _SURROGATE.search(text)
        line = text.count("\n", 0, half.start()) + 1 if half else None
        raise DocumentError("a text contains half of a surrogate pair, which is not Unicode", line) from None
    return Document(value, {(): 1}, nodes)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise DocumentError(f"duplicate key {key!r}")
        values[key] = value
    return values


def _refuse_constant(name: str) -> None:
    raise DocumentError(f"{name} is not a number in JSON")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
