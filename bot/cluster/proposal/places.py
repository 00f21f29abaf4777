"""Where a repository keeps its manifests: kustomizations, charts, and folders of plain files. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from posixpath import basename, commonpath, dirname, join, normpath
from typing import Any

from bot.cluster.manifests import SUFFIXES
from bot.cluster.pod_templates import POD_TEMPLATES
from bot.cluster.proposal.charts import chart_size, charts
from bot.cluster.proposal.files import Files, documents, is_inside
from bot.cluster.proposal.ranking import is_last, rank
from bot.cluster.render.kustomize import NAMES
from bot.cluster.render.transforms.base import items, mapping, text
from bot.model.manifest import Tool

MOST_FILES = 20
"""That `manifests.plain` may list."""
_WORKLOADS = frozenset((*POD_TEMPLATES, "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout"))


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that one tool renders."""

    tool: Tool
    path: str
    """The folder; "" for the root of the repository."""
    partial: bool = False
    """Whether another place contains it, or has more than twice as many workloads."""
    chosen: tuple[str, ...] = ()
    """The files or folders in it that belong together; () for all."""

    def contains(self, other: Place) -> bool:
        """Whether the other place is this one or a part of it."""
        part = any(is_inside(other.path, folder) for folder in self.chosen)
        return other == self or (other.tool is self.tool is Tool.PLAIN and part)

    @property
    def title(self) -> str:
        return f"{self.tool}: {self.path or '.'}"

    @property
    def section(self) -> dict[str, Any]:
        """The section `manifests` of `.greenroom.yml`."""
        path = self.path or "."
        if self.tool is Tool.HELM:
            return {self.tool.value: {"chart": path}}
        return {self.tool.value: list(self.chosen) or path}


def places(files: Files) -> list[Place]:
    """All places with manifests, the most likely one for production first."""
    kustomizations = _kustomizations(files)
    roots = [dirname(path) for path in files if basename(path) in (*NAMES, "Chart.yaml")]
    plain = {dirname(path) for path in files if _has_workload(files, path, roots)}
    joined = [*_joined(files, roots, plain), *_beside_components(files, roots, plain)]
    everywhere = [
        *joined,
        *(Place(Tool.KUSTOMIZE, folder) for folder in sorted(kustomizations, key=rank)),
        *(Place(Tool.HELM, folder) for folder in sorted(charts(files), key=rank)),
        *(
            Place(Tool.PLAIN, path, chosen=_compatible(files, path))
            for folder in sorted(_outermost(plain), key=rank)
            for path in _without_alternatives(files, folder, plain)
        ),
    ]
    sizes = {place: size(files, place) for place in everywhere}
    half = max(sizes.values(), default=0) / 2
    parts = {place for place in everywhere for whole in joined if place != whole and whole.contains(place)}
    marked = [replace(place, partial=place in parts or sizes[place] < half) for place in everywhere]
    return sorted(marked, key=lambda place: (place.partial, is_last(place.path)))


def size(files: Files, place: Place) -> int:
    """About how many workloads the place has."""
    if place.path in files:
        return _workloads(files, place.path)
    if place.tool is Tool.KUSTOMIZE:
        return sum(_workloads(files, path) for path in _included(files, place.path or ".", set()))
    if place.tool is Tool.HELM:
        return chart_size(files, place.path)
    inside = [path for path in files if is_inside(dirname(path), place.path) and path.endswith(SUFFIXES)]
    if place.chosen:
        inside = [path for path in inside if any(is_inside(path, chosen) for chosen in place.chosen)]
    return sum(_workloads(files, path) for path in inside)


def _included(files: Files, folder: str, seen: set[str]) -> set[str]:
    """The files that a kustomization and those below it include."""
    if folder in seen:
        return set()
    seen.add(folder)
    included: set[str] = set()
    names = (join(folder, name).removeprefix("./") for name in NAMES)
    for content in (document for name in names if name in files for document in documents(files, name)):
        for field in ("resources", "bases", "components"):
            for entry in items(content.get(field)):
                path = normpath(join(folder, text(entry)))
                included |= {path} if path in files else _included(files, path, seen)
    return included


def _joined(files: Files, roots: Collection[str], plain: set[str]) -> Iterator[Place]:
    """Folders of one component each, beside each other: together they are the application.

    Folders at the root, such as `deploy` and `monitoring`, are often independent.
    """
    parents = [dirname(folder) for folder in _outermost(plain)]
    for parent in sorted({parent for parent in parents if parent and parents.count(parent) > 1}):
        inside = [
            path
            for path in files
            if path.endswith(SUFFIXES)
            and is_inside(dirname(path), parent)
            and dirname(path) != parent
            and not any(is_inside(dirname(path), root) for root in roots)
        ]
        objects = {path: names for path in inside if (names := _objects(files, path))}
        folders = {path[len(parent) :].lstrip("/").partition("/")[0] for path in objects}
        chosen = tuple(sorted(join(parent, folder) for folder in folders))
        if len(chosen) <= MOST_FILES and _is_unambiguous(objects, parent):
            yield Place(Tool.PLAIN, parent, chosen=chosen)


def _beside_components(files: Files, roots: Collection[str], plain: set[str]) -> Iterator[Place]:
    """Folders of the same name in one component each, such as `cart/k8s` and `orders/k8s`."""
    folders = [folder for folder in _outermost(plain) if folder and not is_last(folder)]
    for name in sorted({basename(folder) for folder in folders}):
        chosen = tuple(sorted(folder for folder in folders if basename(folder) == name))
        inside = [
            path
            for path in files
            if path.endswith(SUFFIXES)
            and any(is_inside(dirname(path), folder) for folder in chosen)
            and not any(is_inside(dirname(path), root) for root in roots)
        ]
        if 1 < len(chosen) <= MOST_FILES and not _is_contradictory(files, inside):
            parents = {dirname(folder) for folder in chosen}
            yield Place(Tool.PLAIN, commonpath(parents) if all(parents) else "", chosen=chosen)


def _is_contradictory(files: Files, paths: Collection[str]) -> bool:
    """Whether two objects have the same name, unless they are the same in all fields."""
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    for document in (document for path in paths for document in documents(files, path)):
        key = (text(document.get("kind")), text(mapping(document, "metadata").get("name")))
        if objects.setdefault(key, document) != document and isinstance(document.get("apiVersion"), str):
            return True
    return False


def _workloads(files: Files, path: str) -> int:
    return sum(kind in _WORKLOADS for kind, _ in _objects(files, path))


def _kustomizations(files: Files) -> list[str]:
    """Folders of kustomizations that no other one includes."""
    contents: dict[str, dict[str, Any]] = {}
    for path in files:
        if basename(path) in NAMES:
            contents[dirname(path)] = next(documents(files, path), {})
    children = {
        folder: [
            normpath(join(folder, text(entry)))
            for field in ("resources", "bases", "components")
            for entry in items(content.get(field))
        ]
        for folder, content in contents.items()
    }
    lists = {folder for folder, entries in children.items() if _overlap(files, entries)}
    included = {child for folder, entries in children.items() if folder not in lists for child in entries}
    return [
        folder
        for folder, content in contents.items()
        if (folder or ".") not in included and folder not in lists and content.get("kind") != "Component"
    ]


def _overlap(files: Files, entries: list[str]) -> bool:
    """Whether kustomizations share files, as those of several environments do."""
    parts = [_included(files, entry, set()) for entry in entries if entry not in files]
    return sum(map(len, parts)) > len(set[str]().union(*parts))


def _has_workload(files: Files, path: str, roots: list[str]) -> bool:
    folder = dirname(path)
    if not path.endswith(SUFFIXES) or any(is_inside(folder, root) for root in roots):
        return False
    return any(
        isinstance(document.get("apiVersion"), str) and document.get("kind") in _WORKLOADS
        for document in documents(files, path)
    )


def _without_alternatives(files: Files, folder: str, plain: set[str]) -> list[str]:
    """The folder, or its parts if it defines an object twice: a file with everything, and other folders."""
    inside = [path for path in sorted(files) if path.endswith(SUFFIXES) and is_inside(dirname(path), folder)]
    objects = {path: _objects(files, path) for path in inside}
    if _is_unambiguous(objects, folder):
        return [folder]
    number = {
        path: sum(kind in _WORKLOADS for kind, _ in names)
        for path, names in objects.items()
        if len(set(names)) == len(names)
    }
    largest = max(number, key=lambda path: (number[path], -len(path)), default="")
    alone = [largest] if number.get(largest, 0) > 1 else []
    below = [part for part in plain if part != folder and is_inside(part, folder)]
    return [*alone, *sorted((part for part in below if _is_unambiguous(objects, part)), key=rank)] or [folder]


def _compatible(files: Files, place: str) -> tuple[str, ...]:
    """Files that define no object twice, those with workloads and short names first; () for all."""
    inside = [path for path in sorted(files) if path.endswith(SUFFIXES) and is_inside(dirname(path), place)]
    objects = {path: _objects(files, path) for path in inside}
    if place in files or _is_unambiguous(objects, place):
        return ()
    chosen: dict[str, set[tuple[str, str]]] = {}
    for path in sorted(inside, key=lambda path: (-_workloads(files, path), len(path), path)):
        if objects[path] and not set(objects[path]) & set().union(*chosen.values()):
            chosen[path] = set(objects[path])
    return tuple(sorted(chosen)) if len(chosen) <= MOST_FILES else ()


def _is_unambiguous(objects: Mapping[str, list[tuple[str, str]]], folder: str) -> bool:
    names = [
        name for path, of_file in objects.items() if is_inside(dirname(path), folder) for name in of_file
    ]
    return len(set(names)) == len(names)


def _objects(files: Files, path: str) -> list[tuple[str, str]]:
    """Kind and name of the objects in a file."""
    return [
        (text(document["kind"]), text(mapping(document, "metadata").get("name")))
        for document in documents(files, path)
        if isinstance(document.get("apiVersion"), str) and "kind" in document
    ]


def _outermost(folders: set[str]) -> list[str]:
    return [folder for folder in folders if not any(is_inside(folder, other) for other in folders - {folder})]
