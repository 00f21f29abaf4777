"""Generated values: what differs between two renderings of the same chart. Pure.

A placeholder takes the place of each generated value, so that digests and comparisons do not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.names import digest
from bot.cluster.render.texts import decoded, encode, encoded, is_value, printable, with_texts
from bot.config.documents import Path
from bot.model.errors import ManifestRefused
from bot.model.notes import Effect, Note

Pair = tuple[str, str]
"""A text in the first and in the second rendering."""

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(?:[^-]|-(?!----BEGIN ))*?-----END \1-----")
_SEPARATOR = re.compile(r"[^A-Za-z0-9+/_.~-]")
_WORDS = re.compile(r"[A-Za-z0-9+/_.~-]+(?:={1,2}(?![A-Za-z0-9+/_.~=-]))?")
_SHORTEST = 6
"""A shorter text may contain a generated value by chance."""
_VALUE_REASON = "the chart generates this value in each rendering, and the environment keeps its own"
_LABEL_REASON = "the chart generates this value in each rendering, and a digest replaces it"
_NAME_REASON = "the chart generates this name in each rendering, and a digest of the content completes it"
_REMEDY = "Set it in the values of the chart."


@dataclass(frozen=True, slots=True)
class Marked:
    """The objects of a commit with placeholders."""

    sources: tuple[Source, ...]
    generated: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The generated value of each placeholder in data, variables and arguments."""
    notes: tuple[Note, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The value of each placeholder in the second rendering."""


def mark(first: Sequence[Source], second: Sequence[Source]) -> Marked:
    """The objects of `first` with a placeholder for each value that `second` has otherwise.

    Raises ManifestRefused for a generated value where no value can be kept, such as a name or a number.
    """
    marking = _Marking()
    pairs = list(_paired(first, second))
    for source, other in pairs:
        marking.collect(source, other)
    marking.mark_values()
    marked = tuple(marking.apply(source) for source, _ in pairs)
    return Marked(marked, marking.values, tuple(marking.notes), marking.others)


class _Marking:
    """The differences of all objects, then their placeholders."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self.notes: list[Note] = []
        self._differences: dict[int, list[tuple[Path, Pair]]] = {}
        self._names: dict[int, str] = {}
        self._places: dict[Pair, str] = {}
        """Identifies each generated value by its first place."""
        self._marks: dict[Pair, str] = {}

    def collect(self, source: Source, other: Source) -> None:
        manifest, kind = source.manifest, source.manifest["kind"]
        name = self._names[id(source)] = _stable_name(source, other)
        differences = self._differences[id(source)] = []
        for path, texts in _differences(source, manifest, other.manifest, ()):
            if path == ("metadata", "name") or _is_label(path):
                differences.append((path, texts))
                continue
            if not is_value(kind, path):
                raise _refusal(source, path, "cannot be generated when the chart is rendered")
            before, after = (decoded(kind, path, text) for text in texts)
            if before is None or after is None:
                raise _refusal(source, path, "is not valid base64")
            differences.append((path, (before, after)))
            for number, gap in enumerate(_gaps(before, after)):
                if isinstance(gap, tuple):
                    self._places.setdefault(gap, digest([kind, name, path, number])[:12])

    def apply(self, source: Source) -> Source:
        manifest, kind = source.manifest, source.manifest["kind"]
        texts: dict[Path, str] = {}
        shown = f"{kind}/{self._names[id(source)]}"
        for path, (before, after) in self._differences[id(source)]:
            if path == ("metadata", "name"):
                texts[path] = self._names[id(source)]
                reason = _NAME_REASON
            elif _is_label(path):
                texts[path] = f"generated-{digest([shown, path])[:12]}"
                reason = _LABEL_REASON
            else:
                texts[path] = encoded(kind, path, self._marked(before, after))
                reason = _VALUE_REASON
            self.notes.append(Note(Effect.GENERATED, shown, reason, field_text(path)))
        return replace(source, manifest=with_texts(manifest, texts)) if texts else source

    def mark_values(self) -> None:
        """Gives each value that contains no other one a placeholder, short values first."""
        for gap in sorted(self._places, key=lambda gap: (max(map(len, gap)), self._places[gap])):
            before, after = self._substituted(gap)
            if before != after:
                before = f"generated-{self._places[gap]}"
                self.values[before], self.others[before] = gap
            self._marks[gap] = before

    def _substituted(self, gap: Pair) -> Pair:
        """The texts with placeholders for generated values inside of them, as they are or in base64."""
        inner = [printable(text) for text in gap]
        if inner[0] is not None and inner[1] is not None:
            before, after = self._replaced((inner[0], inner[1]))
            if before == after:
                return encode(before), encode(after)
        return self._replaced(gap)

    def _replaced(self, gap: Pair) -> Pair:
        before, after = gap
        for marked, placeholder in reversed(self._marks.items()):
            if min(map(len, marked)) < _SHORTEST:
                continue
            for form in (lambda text: text, encode):
                if form(marked[0]) in before and form(marked[1]) in after:
                    before = before.replace(form(marked[0]), form(placeholder))
                    after = after.replace(form(marked[1]), form(placeholder))
        return before, after

    def _marked(self, before: str, after: str) -> str:
        gaps = _gaps(before, after)
        return "".join(gap if isinstance(gap, str) else self._marks[gap] for gap in gaps)


def _paired(first: Sequence[Source], second: Sequence[Source]) -> Iterator[tuple[Source, Source]]:
    """Each object with its counterpart: of the same name, or the same position among the others."""
    counterparts: dict[tuple[str, str], list[Source]] = {}
    names = {_key(source) for source in first} & {_key(source) for source in second}
    for source in second:
        counterparts.setdefault(_counterpart_key(source, names), []).append(source)
    for source in first:
        others = counterparts.get(_counterpart_key(source, names))
        if not others:
            raise _refusal(source, (), "is not in each rendering of the chart")
        yield source, others.pop(0)
    left = [source for others in counterparts.values() for source in others]
    if left:
        raise _refusal(left[0], (), "is not in each rendering of the chart")


def _key(source: Source) -> tuple[str, str]:
    metadata = source.manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return source.manifest["kind"], str(name)


def _counterpart_key(source: Source, names: set[tuple[str, str]]) -> tuple[str, str]:
    key = _key(source)
    return key if key in names else (key[0], f"{source.file}\0")


def _stable_name(source: Source, other: Source) -> str:
    """The name, for a Job without its generated part; the content of a Job completes its name later."""
    (kind, before), (_, after) = _key(source), _key(other)
    if before == after:
        return before
    if kind != "Job":
        raise _refusal(source, ("metadata", "name"), "is generated, so each deployment would create another")
    return stable_part(before, after) or "job"


def stable_part(before: str, after: str) -> str:
    """What a generated name has in common in both renderings."""
    parts = zip(before.split("-"), after.split("-"), strict=False)
    return "-".join(part for part, other in parts if part == other)


def _differences(source: Source, before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Pair]]:
    """The texts that differ. Raises ManifestRefused for other differences."""
    if isinstance(before, str) and isinstance(after, str):
        if before != after:
            yield path, (before, after)
    elif isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from _differences(source, before[key], after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, item in enumerate(before):
            yield from _differences(source, item, after[index], (*path, index))
    elif before != after or type(before) is not type(after):
        raise _refusal(source, path, "differs each time the chart is rendered, and is not a text")


def _gaps(before: str, after: str) -> list[str | Pair]:
    """The constant parts of a text in order, and pairs for what differs.

    Two certificates or keys may have some lines in common, so each of them is one value.
    """
    blocks, others = list(_PEM.finditer(before)), list(_PEM.finditer(after))
    if len(blocks) != len(others):
        return _line_gaps(before, after)
    parts: list[str | Pair] = []
    start = other_start = 0
    for block, other in zip(blocks, others, strict=True):
        parts += _line_gaps(before[start : block.start()], after[other_start : other.start()])
        parts.append(block[0] if block[0] == other[0] else (block[0], other[0]))
        start, other_start = block.end(), other.end()
    return [*parts, *_line_gaps(before[start:], after[other_start:])]


def _line_gaps(before: str, after: str) -> list[str | Pair]:
    """The same, by lines."""
    lines = list(zip(before.split("\n"), after.split("\n"), strict=False))
    if before.count("\n") != after.count("\n"):
        return _trimmed(before, after)
    parts: list[str | Pair] = []
    for differs, group in groupby(lines, lambda line: line[0] != line[1]):
        block = list(group)
        if parts:
            parts.append("\n")
        if not differs:
            parts.append("\n".join(line for line, _ in block))
        elif any(isinstance(part, str) for line in block for part in _trimmed(*line)):
            for number, line in enumerate(block):
                parts += ["\n"] * bool(number) + _trimmed(*line)
        else:  # such as the lines of a certificate: one value
            parts.append(("\n".join(line for line, _ in block), "\n".join(line for _, line in block)))
    return [part for part in parts if part]


def _trimmed(before: str, after: str) -> list[str | Pair]:
    """The words of two texts that differ with the constant parts between them; otherwise a single part."""
    pairs = list(zip(_WORDS.findall(before), _WORDS.findall(after), strict=False))
    if _WORDS.sub("", before) == _WORDS.sub("", after) and all(
        first == second or min(len(first), len(second)) >= _SHORTEST for first, second in pairs
    ):
        parts: list[str | Pair] = []
        position = 0
        for word, (_, other) in zip(_WORDS.finditer(before), pairs, strict=True):
            if word[0] != other:
                parts += [before[position : word.start()], (word[0], other)]
                position = word.end()
        return [part for part in (*parts, before[position:]) if part]
    start = _common(before, after)
    start = max((match.end() for match in _SEPARATOR.finditer(before[:start])), default=0)
    rest = min(len(before), len(after)) - start
    end = min(_common(before[::-1], after[::-1]), rest)
    boundary = _SEPARATOR.search(before, len(before) - end) if end else None
    end = len(before) - boundary.start() if boundary else 0
    # A separator alone may be part of the value.
    start = start if any(map(str.isalnum, before[:start])) else 0
    end = end if any(map(str.isalnum, before[len(before) - end :])) else 0
    gap = (before[start : len(before) - end], after[start : len(after) - end])
    return [part for part in (before[:start], gap, before[len(before) - end :]) if part]


def _common(before: str, after: str) -> int:
    pairs = enumerate(zip(before, after, strict=False))
    return next((index for index, (first, second) in pairs if first != second), min(len(before), len(after)))


def _is_label(path: Path) -> bool:
    """Whether the field is a label or an annotation, of the object or of a template."""
    return len(path) > 2 and path[-3] == "metadata" and path[-2] in ("labels", "annotations")


def _refusal(source: Source, path: Path, problem: str) -> ManifestRefused:
    kind, name = _key(source)
    shown = f" {field_text(path)}" if path else ""
    return ManifestRefused(f"{source.where(path)}, {kind}/{name}:{shown} {problem}. {_REMEDY}")
