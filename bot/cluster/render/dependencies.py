"""Dependencies of a chart: which are enabled, and at which version they are locked. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.documents import yaml_documents

Object = Mapping[str, Any]
_HASHED = (
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
    "depends-on",
)
"""Fields that Helm hashes for the digest of a lock, in their order."""


@dataclass(frozen=True, slots=True)
class RemoteChart:
    """A chart that is fetched from a repository."""

    repository: str
    name: str
    version: str
    where: str
    """File, line and field of the dependency for messages."""


def enabled(dependency: Object, values: Object) -> bool:
    """Whether the values enable a dependency: its first condition with a boolean, otherwise its tags."""
    for path in str(dependency.get("condition") or "").split(","):
        value = _at(values, path.strip().split("."))
        if isinstance(value, bool):
            return value
    tags, chosen = dependency.get("tags"), values.get("tags")
    if not isinstance(tags, list) or not isinstance(chosen, Mapping):
        return True
    states = [chosen[tag] for tag in tags if isinstance(tag, str) and isinstance(chosen.get(tag), bool)]
    return any(states) or not states


def merged(values: Object, others: Object) -> dict[str, Any]:
    """The values with `others` over them, as Helm merges them: null removes a key."""
    result = dict(values)
    for key, value in others.items():
        current = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(current if isinstance(current, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def child_values(values: Object, dependency: Object) -> dict[str, Any]:
    """The values that a parent gives to a dependency."""
    own = values.get(str(dependency.get("alias") or dependency.get("name")))
    shared = {key: values[key] for key in ("global", "tags") if isinstance(values.get(key), Mapping)}
    return merged(own if isinstance(own, Mapping) else {}, shared)


def read_values(text: bytes) -> dict[str, Any]:
    """The values of a file; none if it is invalid, which Helm reports with its place."""
    try:
        document = next(yaml_documents(text.decode()), None)
    except ValueError:
        return {}
    return document.value if document is not None and isinstance(document.value, dict) else {}


def locked_versions(dependencies: Sequence[Object], lock: Object) -> Iterator[str | None]:
    """The locked version of each dependency, in order; None without one."""
    entries = lock.get("dependencies")
    left = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    for dependency in dependencies:
        keys = [dependency.get(key) or "" for key in ("name", "repository")]
        match = next(
            (entry for entry in left if [entry.get("name"), entry.get("repository") or ""] == keys), None
        )
        if match is not None:
            left.remove(match)
        version = match.get("version") if match is not None else None
        yield version if isinstance(version, str) else None


def is_current(dependencies: Sequence[Object], lock: Object) -> bool:
    """Whether the digest of a lock is that of the dependencies; true for a lock without digest."""
    digest = lock.get("digest")
    if not isinstance(digest, str) or not digest:
        return True
    contents: list[object] = [
        [_hashed(dependencies), _hashed(lock.get("dependencies") or [])],
        {"dependencies": _hashed(dependencies)},  # as Helm 2 did
    ]
    return digest in [f"sha256:{hashlib.sha256(_go_json(content)).hexdigest()}" for content in contents]


def _hashed(dependencies: Sequence[Object]) -> list[dict[str, Any]]:
    return [
        {
            key: "" if key == "repository" and not entry.get(key) else entry[key]
            for key in _HASHED
            if key in ("name", "repository") or entry.get(key)
        }
        for entry in dependencies
    ]


def _go_json(value: object) -> bytes:
    """JSON as Go writes it, in the order of the fields."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def _at(values: Object, path: Sequence[str]) -> object:
    value: object = values
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
