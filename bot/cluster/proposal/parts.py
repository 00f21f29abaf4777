"""The parts of a folder of plain manifests, for a proposal without those that are refused. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from posixpath import dirname

from bot.cluster.manifests import SUFFIXES
from bot.cluster.proposal.files import Files, documents, is_inside
from bot.cluster.proposal.places import MOST_FILES, Place, size
from bot.cluster.render.transforms.base import mapping, text
from bot.model.manifest import Tool


def parts(files: Files, place: Place) -> list[str]:
    """The files or folders of the place in the order in which they are tried; none if it has one.

    Those of the most frequent namespace come first, since an environment has one, then those with most
    workloads, without which others are of no use.
    """
    if place.tool is not Tool.PLAIN or place.path in files:
        return []
    every = [path for path in sorted(files) if _is_part(files, path, place)]
    if len(every) > MOST_FILES:
        every = list(place.chosen)
    if len(every) < 2:
        return []
    namespaces = {part: _namespaces(files, part) for part in every}
    [(common, _)] = Counter(name for names in namespaces.values() for name in names).most_common(1) or [
        ("", 0)
    ]
    return sorted(
        every, key=lambda part: (bool(namespaces[part] - {common}), -size(files, _only(place, [part])), part)
    )


def reduced(files: Files, place: Place, kept: Sequence[str]) -> Place | None:
    """The place with these parts; None if they have less than half of its workloads."""
    if not kept:
        return None
    part = _only(place, kept)
    return part if 2 * size(files, part) >= size(files, place) > 0 else None


def with_part(place: Place, kept: Sequence[str], part: str) -> Place:
    return _only(place, [*kept, part])


def _only(place: Place, kept: Sequence[str]) -> Place:
    return replace(place, chosen=tuple(sorted(kept)))


def _is_part(files: Files, path: str, place: Place) -> bool:
    chosen = place.chosen or (place.path,)
    return (
        path.endswith(SUFFIXES)
        and any(is_inside(path, folder) or is_inside(dirname(path), folder) for folder in chosen)
        and any("apiVersion" in document and "kind" in document for document in documents(files, path))
    )


def _namespaces(files: Files, part: str) -> set[str]:
    """The namespaces that the objects of a part name."""
    inside = [path for path in files if is_inside(path, part)]
    names = (
        text(mapping(document, "metadata").get("namespace"))
        for path in inside
        for document in documents(files, path)
    )
    return {name for name in names if name}
