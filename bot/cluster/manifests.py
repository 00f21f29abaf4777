"""Reads the manifests of a commit: text to objects with file and line numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.node import shortened
from bot.config.documents import Document, DocumentError, Path, json_document, line_of, yaml_documents
from bot.model.commit_files import broken_links
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


@dataclass(frozen=True, slots=True)
class Source:
    """An object with its place in the repository."""

    file: str
    manifest: dict[str, Any]
    lines: Mapping[Path, int]
    made_by: str = ""
    """The tool that generated the object from the file; "" for plain manifests."""

    def where(self, path: Path = ()) -> str:
        """File and line of a field for messages."""
        place = f"{self.file}:{self.line(path)}"
        return f"{place} (as rendered by {self.made_by})" if self.made_by else place

    def line(self, path: Path = ()) -> int:
        return line_of(self.lines, path)


def read(files: Mapping[str, bytes], directory: str) -> tuple[Source, ...]:
    """All objects of the manifest files below `directory`, in the order of their paths.

    Raises ManifestRefused with file and line for invalid objects and above the limits.
    """
    return objects((path, files[path]) for path in _select(files, directory))


def objects(texts: Iterable[tuple[str, bytes]]) -> tuple[Source, ...]:
    """All objects of texts with their file names. Raises ManifestRefused like `read`."""
    sources: list[Source] = []
    nodes = 0
    for path, text in texts:
        for document in documents(path, text, nodes):
            nodes = document.nodes
            sources += _objects(Source(path, document.value, document.lines), _MAX_LIST_DEPTH)
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


def _select(files: Mapping[str, bytes], directory: str) -> list[str]:
    folder = "/".join(part for part in directory.split("/") if part not in ("", "."))
    prefix = f"{folder}/" if folder else ""
    paths = sorted(path for path in files if path.startswith(prefix) and path.endswith(SUFFIXES))
    if not folder:
        # With manifests at the root, hidden files are configuration, not manifests.
        paths = [path for path in paths if not path.startswith(".")]
    paths += broken_links(files, folder)  # reading them raises
    where = f"`{folder}/`" if folder else "the repository's root"
    if not paths:
        raise ManifestRefused(f"No manifests (*.yaml, *.yml or *.json) in {where} of this commit.")
    if len(paths) > MAX_FILES:
        raise ManifestRefused(f"More than {MAX_FILES} manifest files in {where}.")
    if sum(len(files[path]) for path in paths) > MAX_TEXT:
        raise ManifestRefused(f"The manifests in {where} are larger than 4 MiB in total.")
    return paths


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
