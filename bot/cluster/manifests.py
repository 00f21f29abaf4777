"""Reads the manifests of a commit: text to objects with file and line numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.node import shortened
from bot.config.documents import Document, DocumentError, Path, json_document, line_of, yaml_documents
from bot.config.patterns import any_path_matcher
from bot.model.commit_files import broken_links, is_inside
from bot.model.errors import ManifestRefused

SUFFIXES = (".yaml", ".yml", ".json")
MAX_TEXT = 4 * 2**20
"""Bytes of all manifest files in total."""
MAX_OBJECT = 2**20
"""Bytes of one object as JSON, about the limit of Kubernetes."""
MAX_FILES = 500
MAX_OBJECTS = 300
_MAX_LIST_DEPTH = 3
_LONGEST_PROBLEM = 700
_COMPOSE = re.compile(r"(docker-)?compose([.-][\w.-]+)?\.ya?ml")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")
_OBJECT_FIELDS = frozenset(("apiVersion", "kind", "metadata", "spec"))
"""A document with none of these fields does not describe an object; with some of them it has a mistake."""
_NO_OBJECT = "it is not a Kubernetes object"


@dataclass(frozen=True, slots=True)
class Source:
    """An object with its place in the repository."""

    file: str
    manifest: dict[str, Any]
    lines: Mapping[Path, int]
    made_by: str = ""
    """The tool that generated the object from the file; "" for plain manifests."""
    skipped: str = ""
    """Why a file beside the manifests is not one of them; then the object is empty."""

    def where(self, path: Path = ()) -> str:
        """File and line of a field for messages."""
        place = f"{self.file}:{self.line(path)}"
        return f"{place} (as rendered by {self.made_by})" if self.made_by else place

    def line(self, path: Path = ()) -> int:
        return line_of(self.lines, path)


def read(files: Mapping[str, bytes], paths: Sequence[str]) -> tuple[Source, ...]:
    """All objects of the manifest files in folders, files and patterns, in the order of their paths.

    Files of a folder that belong to other tools are skipped. Raises ManifestRefused with file and line for
    invalid objects and above the limits.
    """
    selected = _select(files, paths)
    skipped = {path: reason for path in selected if (reason := _other_tool(path, selected))}
    others = (_skipped(path, reason) for path, reason in skipped.items())
    return (*others, *objects((path, files[path]) for path in selected if path not in skipped))


def _skipped(file: str, reason: str) -> Source:
    return Source(file, {"apiVersion": "", "kind": ""}, {}, skipped=reason)


def objects(texts: Iterable[tuple[str, bytes]]) -> tuple[Source, ...]:
    """All objects of texts with their file names. Raises ManifestRefused like `read`."""
    sources: list[Source] = []
    nodes = 0
    for path, text in texts:
        for document in documents(path, text, nodes):
            nodes = document.nodes
            source = Source(path, document.value, document.lines)
            if isinstance(document.value, dict) and not document.value.keys() & _OBJECT_FIELDS:
                sources.append(_skipped(path, _NO_OBJECT))
            else:
                sources += _objects(source, _MAX_LIST_DEPTH)
            if len(sources) > MAX_OBJECTS:
                raise ManifestRefused(
                    f"{path}: the manifests have more than {MAX_OBJECTS} objects, which is the limit."
                )
    for source in sources:
        if len(json.dumps(source.manifest)) > MAX_OBJECT:
            raise ManifestRefused(f"{source.where()}: the object is larger than 1 MiB.")
    return tuple(sources)


def documents(file: str, content: bytes, nodes: int) -> Iterator[Document]:
    """The documents of one file; `nodes` is the number of values read before. Raises ManifestRefused."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestRefused(f"{file}: the file is not UTF-8 text.") from None
    try:
        if file.endswith(".json"):
            yield json_document(text, nodes)
        else:
            yield from yaml_documents(text, nodes)
    except DocumentError as error:
        where = file if error.line is None else f"{file}:{error.line}"
        raise ManifestRefused(f"{where}: {shortened(str(error), _LONGEST_PROBLEM)}.") from None


def _select(files: Mapping[str, bytes], paths: Sequence[str]) -> list[str]:
    selected = sorted({file for path in paths for file in _files_of(files, path)})
    where = " and ".join(f"`{path}`" if path else "the repository's root" for path in paths)
    if len(selected) > MAX_FILES:
        raise ManifestRefused(f"More than {MAX_FILES} manifest files in {where}.")
    if sum(len(files[path]) for path in selected) > MAX_TEXT:
        raise ManifestRefused(f"The manifests in {where} are larger than 4 MiB in total.")
    return selected


def _files_of(files: Mapping[str, bytes], path: str) -> list[str]:
    """The manifest files of a folder, of a pattern, or the file itself."""
    path = "/".join(part for part in path.split("/") if part not in ("", "."))
    if path in files:
        return [path]
    matches = any_path_matcher((path,)).fullmatch
    selected = [
        file for file in files if file.endswith(SUFFIXES) and (is_inside(file, path) or matches(file))
    ]
    if not path:
        # With manifests at the root, hidden files are configuration, not manifests.
        selected = [file for file in selected if not file.startswith(".")]
    selected += broken_links(files, path)  # reading them raises
    if not selected:
        where = f"`{path}`" if path else "the repository's root"
        raise ManifestRefused(f"No manifests (*.yaml, *.yml or *.json) in {where} of this commit.")
    return selected


def is_compose_file(name: str) -> bool:
    return _COMPOSE.fullmatch(name) is not None


def _other_tool(path: str, selected: Collection[str]) -> str:
    """Why a file is not a manifest, by its name and place; "" for a manifest."""
    folder, _, name = path.rpartition("/")
    if is_compose_file(name):
        return "it is a Compose file"
    if name in _KUSTOMIZATIONS:
        return "`manifests.plain` does not run Kustomize; use `manifests.kustomize` to apply it"
    parents = [folder, *(folder[:end] for end, letter in enumerate(folder) if letter == "/")]
    if any(f"{parent}/Chart.yaml".removeprefix("/") in selected for parent in parents):
        return "`manifests.plain` does not run Helm; use `manifests.helm` to install the chart"
    return ""


def _objects(source: Source, depth: int) -> Iterator[Source]:
    """The source itself, or the items of a `List`."""
    manifest: Any = source.manifest
    if manifest is None:
        return
    where = source.where()
    if not isinstance(manifest, dict):
        raise ManifestRefused(f"{where}: expected a Kubernetes object: a mapping with apiVersion and kind.")
    for key in ("apiVersion", "kind"):
        if not isinstance(manifest.get(key), str):
            raise ManifestRefused(f"{where}: the object has no `{key}`.")
    if not (manifest["kind"] == "List" or (manifest["kind"].endswith("List") and "items" in manifest)):
        yield source
        return
    items = manifest.get("items") or []
    if depth == 0 or not isinstance(items, list):
        raise ManifestRefused(f"{where}: `items` must be a list of objects, nested at most three deep.")
    lines: list[dict[Path, int]] = [{} for _ in items]
    for path, line in source.lines.items():
        if len(path) > 1 and path[0] == "items" and isinstance(path[1], int):
            lines[path[1]][path[2:]] = line
    for item, of_item in zip(items, lines, strict=True):
        yield from _objects(Source(source.file, item, of_item), depth - 1)
