"""The labels that objects carry, and the labels by which they select pods. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.config.documents import Path


def labels_of(value: Any, path: Path = ()) -> Iterator[str]:
    """The keys of all labels of an object and of its templates."""
    if isinstance(value, dict):
        for key, content in value.items():
            if key == "labels" and path and path[-1] == "metadata" and isinstance(content, dict):
                yield from content
            else:
                yield from labels_of(content, (*path, key))
    elif isinstance(value, list):
        for index, content in enumerate(value):
            yield from labels_of(content, (*path, index))


def selected_labels(manifest: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Path and key of each label in the selectors of a guarded object."""
    if manifest["kind"] == "Service":
        selector: Path = ("spec", "selector")
        for key in (manifest.get("spec") or {}).get("selector") or {}:
            yield (*selector, key), key
        return
    yield from _selected(manifest, ())


def _selected(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for key, content in value.items():
            here: Path = (*path, key)
            if key == "matchLabels" and isinstance(content, dict):
                yield from (((*here, label), label) for label in content)
            elif key == "matchExpressions" and isinstance(content, list):
                yield from (
                    ((*here, index), item["key"]) for index, item in enumerate(content) if "key" in item
                )
            elif key != "namespaceSelector":
                yield from _selected(content, here)
    elif isinstance(value, list):
        for index, content in enumerate(value):
            yield from _selected(content, (*path, index))
