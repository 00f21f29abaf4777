"""Parity: two stages differ in configuration values, secrets, size and host, and in nothing else. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.fields import EnvironmentSection
from bot.config.stages import After
from bot.model.parity import Category, Comparable, Comparison, Difference
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import PromotableRelease, Target

_LONGEST = 160
"""Characters of a value that are shown."""
_LONGEST_PATH = 200
_KEYS = ("mountPath", "name", "containerPort", "port", "key")
"""Keys that identify the entries of a list, whatever their order."""
_PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
_INJECTED = "config and secrets"

Path = tuple[str, ...]

PREVIEW = "preview"
"""The previews of the repository, in place of the name of a stage."""


@dataclass(frozen=True, slots=True)
class Side:
    """A stage as it is compared."""

    comparable: Comparable
    injected: Mapping[str, str]
    """Each variable that `.greenroom.yml` gives the stage, to where it stands: `config` or `secrets`."""


def injected(stage: EnvironmentSection) -> Mapping[str, str]:
    return dict.fromkeys(stage.config, "config") | dict.fromkeys(stage.secrets, "secrets")


def differences(left: Side, right: Side) -> tuple[Difference, ...]:
    """The differences in display order; swapping the sides swaps left and right."""
    unsorted = [*_variables(left, right), *_objects(left, right)]
    return tuple(sorted(unsorted, key=lambda row: (row.kind, row.name, row.path)))


def _variables(left: Side, right: Side) -> Iterator[Difference]:
    """What only one side injects is missing on the other, unless the manifests give it to every container."""
    for name in left.injected.keys() - right.injected.keys() - right.comparable.variables:
        yield Difference("", _INJECTED, _safe(name), f"in {left.injected[name]}", None, Category.VARIABLE)
    for name in right.injected.keys() - left.injected.keys() - left.comparable.variables:
        yield Difference("", _INJECTED, _safe(name), None, f"in {right.injected[name]}", Category.VARIABLE)


def _objects(left: Side, right: Side) -> Iterator[Difference]:
    ours, theirs = left.comparable.objects, right.comparable.objects
    for identity in ours.keys() | theirs.keys():
        first, other = ours.get(identity), theirs.get(identity)
        kind, _, name = identity.partition("/")
        if first is None or other is None:
            whole = [None if side is None else "the whole object" for side in (first, other)]
            yield Difference(kind, _safe(name), "", whole[0], whole[1], Category.OBJECT)
            continue
        for path, mine, yours in _within((), first, other):
            lacking = right if yours is None else left if mine is None else None
            if lacking is None or not _is_variable(path) or path[-1] not in lacking.injected:
                shown = _shown(mine, yours)
                yield Difference(kind, _safe(name), _path_text(path), *shown, _category(path, mine, yours))


def _within(path: Path, first: Any, other: Any) -> Iterator[tuple[Path, Any, Any]]:
    """Path and both values of each difference; a whole subtree if one side lacks it."""
    if first == other:
        return
    if isinstance(first, list) and isinstance(other, list):
        first, other = _entries(first, other)
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        for key in sorted(first.keys() | other.keys(), key=str):
            yield from _within((*path, str(key)), first.get(key), other.get(key))
    elif first != other:
        yield path, first, other


def _entries(first: list[Any], other: list[Any]) -> tuple[Any, Any]:
    """Lists of mappings as mappings by their identifying key; other lists unchanged."""
    if not all(isinstance(entry, Mapping) for entry in (*first, *other)):
        return first, other
    key = next((key for key in _KEYS if _is_unique_key(key, first) and _is_unique_key(key, other)), None)
    return _by_key(key, first), _by_key(key, other)


def _is_unique_key(key: str, entries: list[Any]) -> bool:
    names = [entry.get(key) for entry in entries]
    return all(isinstance(name, str | int) for name in names) and len(set(map(str, names))) == len(names)


def _by_key(key: str | None, entries: list[Any]) -> Mapping[str, Any]:
    return {f"[{index if key is None else entry[key]}]": entry for index, entry in enumerate(entries)}


def _category(path: Path, first: Any, other: Any) -> Category:
    if _is_variable(path) and (first is None or other is None):
        return Category.VARIABLE
    if path[-1] == "image":
        return Category.IMAGE
    if _PROBES & set(path):
        return Category.PROBE
    return Category.LIMIT if "resources" in path else Category.OTHER


def _is_variable(path: Path) -> bool:
    return len(path) > 1 and (path[-2] == "env" or path[0] == "data")


def _path_text(path: Path) -> str:
    text = path[0] + "".join(key if key.startswith("[") else f".{key}" for key in path[1:])
    return _safe(text)[:_LONGEST_PATH]


def _shown(first: Any, other: Any) -> tuple[str | None, str | None]:
    """Both values on one line each; long ones from shortly before the first difference."""
    texts = [_text(first), _text(other)]
    start = 0
    if None not in (first, other) and max(map(len, texts)) > _LONGEST:
        pairs = enumerate(zip(*texts, strict=False))
        differ = next((index for index, (mine, yours) in pairs if mine != yours), min(map(len, texts)))
        start = max(differ - _LONGEST // 4, 0)
    windows = [_window(text, start) for text in texts]
    return None if first is None else windows[0], None if other is None else windows[1]


def _text(value: Any) -> str:
    return _safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))


def _window(text: str, start: int) -> str:
    cut = f"…{text[start:]}" if start else text
    return cut if len(cut) <= _LONGEST else f"{cut[: _LONGEST - 1]}…"


def _safe(text: str) -> str:
    """The text without control and invisible characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def verified_with(after: After, records: Mapping[str, StageRecord], release_id: str) -> dict[str, Target]:
    """The target with which the release was verified last, for each of the stages before."""
    targets = {
        name: [row.target for row in records[name].verified if row.target.release.id == release_id]
        for name in after.names
        if name in records
    }
    return {name: rows[-1] for name, rows in targets.items() if rows}


def comparison_key(release_id: str, digest: str, other: str, ran: Target) -> str:
    """Identifies what a comparison is valid for. `digest` is that of the stage's own configuration."""
    content = json.dumps([release_id, digest, other, ran.release.id, ran.configuration])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def preview_key(release_id: str, configuration: str) -> str:
    """Identifies what a comparison with previews is valid for."""
    return hashlib.sha256(json.dumps([PREVIEW, release_id, configuration]).encode()).hexdigest()[:16]


def current_comparisons(
    promotion: Promotion,
    release: PromotableRelease,
    before: Mapping[str, Target],
    computed: Sequence[Comparison],
) -> dict[str, Comparison | None]:
    """The current comparison with each stage before; None if it was not computed for this state yet."""
    by_key = {row.compared_key: row for row in (*promotion.parity, *computed)}
    return {
        name: by_key.get(comparison_key(release.id, promotion.configuration_digest, name, target))
        for name, target in before.items()
    }
