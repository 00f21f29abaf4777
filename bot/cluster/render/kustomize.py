"""Kustomize: what a kustomization may refer to, how it is built, where each object came from. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from bot.cluster.render.folder import COMMIT
from bot.cluster.render.manifests import Source, documents, objects
from bot.cluster.render.references import CommitTree, remote_host
from bot.config.documents import Document, Path, line_of
from bot.model.errors import ManifestRefused

Files = Mapping[str, bytes]

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
BUILD = "build"
"""The folder beside the commit's that is built. Its kustomization takes the wanted one as its resource."""
_ORIGIN = "config.kubernetes.io/origin"
_MOST = 200
"""Kustomizations that may refer to each other."""
_BUILTIN = "builtin"
_LISTS = ("resources", "bases", "components", "crds", "configurations")
_INLINE_OR_PATH = ("generators", "transformers", "validators", "patchesStrategicMerge")
_PATHS = frozenset(("path", "paths", "files", "env", "envs", "url", "repo", "resources"))
_HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATED = ("configMapGenerator", "secretGenerator")
_WITH_FIELDS = (*_WITH_PATH, *_GENERATED, "openapi")
_FIELDS = frozenset((*_LISTS, *_INLINE_OR_PATH, *_HELM, *_WITH_PATH, *_GENERATED, "openapi", *_PATHS))
_FOLDED = {name.casefold(): name for name in _FIELDS}


@dataclass(slots=True)
class KustomizePlan:
    """What has to be on the disk for a build, and whether the build has to fetch something."""

    folders: set[str] = field(default_factory=set)
    """Folders whose kustomizations take part; each reads below itself only."""
    online: bool = False
    nodes: int = 0

    def files(self, files: Files) -> dict[str, bytes]:
        return {
            path: content
            for path, content in files.items()
            if "" in self.folders or any(path.startswith(f"{folder}/") for folder in self.folders)
        }


def plan(files: Files, directory: str, hosts: Collection[str]) -> KustomizePlan:
    """Follows every reference from the kustomization in `directory`.

    Raises ManifestRefused, which names file, line and field, for what is not in the commit, would be fetched
    from a host that is not among `hosts`, or would run a program.
    """
    tree, made = CommitTree(files, hosts), KustomizePlan()
    if _file_of(files, directory) is None:
        raise ManifestRefused(f"There is no kustomization.yaml in `{directory or '.'}` of this commit.")
    waiting = [directory]
    while waiting:
        folder = waiting.pop()
        path = _file_of(files, folder)
        if folder in made.folders or path is None:
            continue
        made.folders.add(folder)
        if len(made.folders) > _MOST:
            raise ManifestRefused(f"{path}: more than {_MOST} kustomizations refer to each other.")
        waiting += _Kustomization(tree, made, folder, path).folders()
    return made


def wrapper(directory: str) -> bytes:
    """The kustomization that is built: the wanted one, with a note on each object of where it came from."""
    resource = posixpath.join("..", COMMIT, directory)
    return yaml.safe_dump({"resources": [resource], "buildMetadata": ["originAnnotations"]}).encode()


def sources(output: bytes, files: Files, directory: str) -> tuple[Source, ...]:
    """The objects of a build, each with the file and the lines of its origin, without the notes."""
    fallback = _file_of(files, directory) or directory
    known: dict[str, Sequence[Document]] = {}
    return tuple(_placed(source, files, fallback, known) for source in objects([("kustomize", output)]))


def _file_of(files: Files, folder: str) -> str | None:
    paths = (posixpath.join(folder, name) for name in NAMES)
    return next((path for path in paths if path in files), None)


class _Kustomization:
    """One kustomization file, and what it refers to."""

    def __init__(self, tree: CommitTree, plan: KustomizePlan, folder: str, path: str) -> None:
        self._tree = tree
        self._plan = plan
        self._folder = folder
        self._path = path
        self._lines: Mapping[Path, int] = {}

    def folders(self) -> Iterator[str]:
        """The folders that it refers to, checked; its files are checked on the way."""
        for document in self._read(self._path):
            if not isinstance(document.value, dict):
                raise ManifestRefused(f"{self._path}: expected a mapping of Kustomize's fields.")
            self._lines = document.lines
            self._spelled(document.value, ())
            for name in _HELM:
                if name in document.value:
                    raise ManifestRefused(
                        f"{self._where((name,))}: Kustomize is not allowed to run Helm; "
                        "write `manifests: {helm: …}` in .greenroom.yml instead."
                    )
            for path, reference in _references(document.value):
                folder = self._follow(reference, path)
                if folder is not None:
                    yield folder

    def _spelled(self, value: Any, path: Path) -> None:
        """Kustomize takes a field in any case; one that is not spelled as usual would be overlooked here."""
        for key, each in value.items() if isinstance(value, dict) else enumerate(_list(value)):
            if isinstance(key, str) and key not in _FIELDS and key.casefold() in _FOLDED:
                raise ManifestRefused(f"{self._where((*path, key))}: write `{_FOLDED[key.casefold()]}`.")
            if isinstance(key, int) or (not path and key in _WITH_FIELDS):
                self._spelled(each, (*path, key))

    def _follow(self, reference: str, path: Path) -> str | None:
        inline = self._inline(reference) if path[0] in _INLINE_OR_PATH else None
        if inline is not None:
            self._configured(inline, path)
            return None
        where = self._where(path)
        found = remote_host(reference)
        if found is not None:
            self._tree.require_allowed(found, where)
            self._plan.online = True
            return None
        target = self._tree.resolve(reference, self._folder, where)
        if self._tree.is_folder(target):
            return target
        if path[0] in (*_LISTS, *_INLINE_OR_PATH) and path[0] != "patchesStrategicMerge":
            for document in self._read(target):
                self._configured(document.value, path)
        return None

    def _inline(self, reference: str) -> Any:
        """The configuration that stands in the place of a path; None for a path."""
        if "\n" not in reference and not reference.lstrip().startswith("{"):
            return None
        return [document.value for document in documents(self._path, reference.encode(), self._plan.nodes)]

    def _configured(self, value: Any, path: Path) -> None:
        """A built-in generator or transformer may refer to files just as a kustomization does."""
        for each in _builtins(value):
            if str(each.get("kind", "")).startswith("Helm"):
                raise ManifestRefused(f"{self._where(path)}: Kustomize is not allowed to run Helm.")
            for reference in _paths_in(each):
                found = remote_host(reference)
                if found is not None:
                    self._tree.require_allowed(found, self._where(path))
                    self._plan.online = True

    def _read(self, path: str) -> Iterator[Document]:
        content = self._tree.files.get(path, b"")
        for document in documents(path, content, self._plan.nodes):
            self._plan.nodes = document.nodes
            yield document

    def _where(self, path: Path) -> str:
        field = ".".join(str(part) for part in path)
        return f"{self._path}:{line_of(self._lines, path)}, {field}"


def _references(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every path or URL in a kustomization, and where it stands."""
    for name in (*_LISTS, *_INLINE_OR_PATH):
        yield from _texts(value.get(name), (name,))
    for name in _WITH_PATH:
        for index, each in enumerate(_list(value.get(name))):
            if isinstance(each, dict):
                yield from _texts(each.get("path"), (name, index, "path"))
    if isinstance(value.get("openapi"), dict):
        yield from _texts(value["openapi"].get("path"), ("openapi", "path"))
    for name in _GENERATED:
        for index, each in enumerate(_list(value.get(name))):
            for key in ("files", "envs", "env"):
                found = each.get(key) if isinstance(each, dict) else None
                for path, text in _texts(found, (name, index, key)):
                    yield path, text.partition("=")[2] if key == "files" and "=" in text else text


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    for index, each in enumerate(_list(value)):
        if isinstance(each, str):
            yield (*path, index), each


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _builtins(value: Any) -> Iterator[Mapping[str, Any]]:
    """Also those in lists and in objects that are lists."""
    if isinstance(value, dict) and value.get("apiVersion") == _BUILTIN:
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _builtins(each)


def _paths_in(value: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths_in(each, inside or key.casefold() in _PATHS)
    elif isinstance(value, list):
        for each in value:
            yield from _paths_in(each, inside)
    elif inside and isinstance(value, str):
        yield value.rpartition("=")[2] if "=" in value.partition("://")[0] else value


def _placed(source: Source, files: Files, fallback: str, known: dict[str, Sequence[Document]]) -> Source:
    metadata = source.manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    note = annotations.pop(_ORIGIN, None) if isinstance(annotations, dict) else None
    if isinstance(metadata, dict) and annotations == {}:
        del metadata["annotations"]
    origin = _origin(note) if isinstance(note, str) else {}
    told = str(origin.get("path") or origin.get("configuredIn") or "")
    path = told.removeprefix(f"../{COMMIT}/") if told else fallback
    if origin.get("repo"):
        path = f"{origin['repo']}/{path}"
    if path not in known:
        known[path] = _documents(path, files.get(path, b""))
    lines = _lines_of(source.manifest, known[path])
    return replace(source, file=path, lines=lines, made_by="Kustomize")


def _origin(note: str) -> Mapping[str, Any]:
    found = [document.value for document in _documents("origin", note.encode())]
    return found[0] if found and isinstance(found[0], dict) else {}


def _documents(path: str, content: bytes) -> Sequence[Document]:
    """None of what cannot be read: that only makes a place less exact."""
    try:
        return list(documents(path, content, 0))
    except ManifestRefused:
        return ()


def _lines_of(manifest: Mapping[str, Any], found: Sequence[Document]) -> Mapping[Path, int]:
    """Of the document of the same kind whose name is the longest part of the object's name."""
    name = _name(manifest)
    fitting = [
        document
        for document in found
        if isinstance(document.value, dict)
        and document.value.get("kind") == manifest.get("kind")
        and _name(document.value) in name
    ]
    best = max(fitting, key=lambda document: len(_name(document.value)), default=None)
    return best.lines if best else {(): 1}


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
