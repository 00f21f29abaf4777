"""Manifests of a commit: text to objects, each with the file and the lines that it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.config.documents import Document, DocumentError, Path, json_document, line_of, yaml_documents
from bot.model.errors import ManifestRefused

SUFFIXES = (".yaml", ".yml", ".json")
LARGEST_TEXT = 4 * 2**20
"""Bytes of all manifest files together."""
LARGEST_OBJECT = 2**20
"""Bytes of one object as JSON; Kubernetes itself takes about as much."""
MOST_FILES = 500
MOST_OBJECTS = 300
_DEEPEST_LIST = 3


@dataclass(frozen=True, slots=True)
class Source:
    """One object and where it stands."""

    file: str
    manifest: dict[str, Any]
    lines: Mapping[Path, int]
    made_by: str = ""
    """The program that made the object from the file; "" when it stands there as it is."""

    def where(self, path: Path = ()) -> str:
        """File and line, as a person looks them up."""
        place = f"{self.file}:{self.line(path)}"
        return f"{place} (as {self.made_by} makes it)" if self.made_by else place

    def line(self, path: Path = ()) -> int:
        return line_of(self.lines, path)


def read(files: Mapping[str, bytes], directory: str) -> tuple[Source, ...]:
    """All objects of the manifest files below `directory`, in the order of their paths.

    Raises ManifestRefused, whose message names file and line, for what is no plain list of objects
    or larger than a person would write.
    """
    return objects((path, files[path]) for path in _chosen(files, directory))


def objects(texts: Iterable[tuple[str, bytes]]) -> tuple[Source, ...]:
    """All objects of these texts, each with its file's name; raises ManifestRefused like `read`."""
    found: list[Source] = []
    nodes = 0
    for path, text in texts:
        for document in documents(path, text, nodes):
            nodes = document.nodes
            found += _objects(Source(path, document.value, document.lines), _DEEPEST_LIST)
            if len(found) > MOST_OBJECTS:
                raise ManifestRefused(
                    f"{path}: there are more than {MOST_OBJECTS} objects; an environment may have no more."
                )
    for source in found:
        if len(json.dumps(source.manifest)) > LARGEST_OBJECT:
            raise ManifestRefused(f"{source.where()}: the object is larger than 1 MiB.")
    return tuple(found)


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
        raise ManifestRefused(f"{where}: {error}.") from None


def _chosen(files: Mapping[str, bytes], directory: str) -> list[str]:
    folder = "/".join(part for part in directory.split("/") if part not in ("", "."))
    prefix = f"{folder}/" if folder else ""
    chosen = sorted(path for path in files if path.startswith(prefix) and path.endswith(SUFFIXES))
    if not folder:
        # The bot's own configuration, or a workflow, is no manifest when manifests lie at the root.
        chosen = [path for path in chosen if not path.startswith(".")]
    where = f"`{folder}/`" if folder else "the repository's root"
    if not chosen:
        raise ManifestRefused(f"There is no manifest (*.yaml, *.yml or *.json) in {where} of this commit.")
    if len(chosen) > MOST_FILES:
        raise ManifestRefused(f"There are more than {MOST_FILES} manifest files in {where}.")
    if sum(len(files[path]) for path in chosen) > LARGEST_TEXT:
        raise ManifestRefused(f"The manifests in {where} are larger than 4 MiB together.")
    return chosen


def _objects(source: Source, depth: int) -> Iterator[Source]:
    """The source itself, or what the `List` that it is contains."""
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
