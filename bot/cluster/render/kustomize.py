"""Kustomize: references of kustomizations, the build, and origins of objects. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from bot.cluster.manifests import Source, documents, objects
from bot.cluster.render.folder import COMMIT
from bot.cluster.render.references import CommitTree, is_fixed, remote_host
from bot.config.documents import Document, Path, line_of
from bot.model.commit_files import CommitFiles, is_inside
from bot.model.errors import ManifestRefused
from bot.model.notes import Effect, Note

Files = Mapping[str, bytes]

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
BUILD = "build"
"""The folder that is built, beside the commit's; its resource is the requested kustomization."""
_ORIGIN = "config.kubernetes.io/origin"
_NOT_FIXED = (
    "it names no commit or version, so its content can change between a preview and its promotion; add "
    "`?ref=` with a commit or a tag"
)
_MAX_KUSTOMIZATIONS = 200
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
    """Folders to write for a build, and whether the build fetches remote bases."""

    folders: set[str] = field(default_factory=set)
    """Folders of all kustomizations of the build; each reads only files below its folder."""
    online: bool = False
    nodes: int = 0
    notes: list[Note] = field(default_factory=list)

    def fetch(self, reference: str, file: str, place: str) -> None:
        """Records a remote reference to an allowed host."""
        self.online = True
        if not is_fixed(reference):
            self.notes.append(Note(Effect.KEPT, file, _NOT_FIXED, place))

    def files(self, files: Files) -> dict[str, bytes]:
        """Those that can be used: the plan refuses references to others."""
        contents = files.contents if isinstance(files, CommitFiles) else files
        return {
            path: content
            for path, content in contents.items()
            if any(is_inside(path, folder) for folder in self.folders)
        }


def plan(files: Files, directory: str, hosts: Collection[str]) -> KustomizePlan:
    """Follows all references from the kustomization in `directory`.

    Raises ManifestRefused with file, line and field for paths that do not exist, hosts that are not in
    `hosts`, and fields that run a program.
    """
    tree, result = CommitTree(files, hosts), KustomizePlan()
    if _file_of(files, directory) is None:
        raise ManifestRefused(f"No kustomization.yaml in `{directory or '.'}` of this commit.")
    pending = [directory]
    while pending:
        folder = pending.pop()
        path = _file_of(files, folder)
        if folder in result.folders or path is None:
            continue
        result.folders.add(folder)
        if len(result.folders) > _MAX_KUSTOMIZATIONS:
            raise ManifestRefused(
                f"{path}: more than {_MAX_KUSTOMIZATIONS} kustomizations refer to each other."
            )
        pending += _Kustomization(tree, result, folder, path).folders()
    return result


def wrapper(directory: str) -> bytes:
    """The kustomization that is built: the requested one, with origin annotations on each object."""
    resource = posixpath.join("..", COMMIT, directory)
    return yaml.safe_dump({"resources": [resource], "buildMetadata": ["originAnnotations"]}).encode()


def sources(output: bytes, files: Files, directory: str) -> tuple[Source, ...]:
    """The built objects, each with file and lines of its origin, without the origin annotations."""
    fallback = _file_of(files, directory) or directory
    documents_by_path: dict[str, Sequence[Document]] = {}
    return tuple(
        _with_origin(source, files, fallback, documents_by_path)
        for source in objects([("kustomize", output)])
    )


def _file_of(files: Files, folder: str) -> str | None:
    paths = (posixpath.join(folder, name) for name in NAMES)
    return next((path for path in paths if path in files), None)


class _Kustomization:
    """A kustomization file and its references."""

    def __init__(self, tree: CommitTree, plan: KustomizePlan, folder: str, path: str) -> None:
        self._tree = tree
        self._plan = plan
        self._folder = folder
        self._path = path
        self._lines: Mapping[Path, int] = {}

    def folders(self) -> Iterator[str]:
        """The referenced folders; checks all references to files and hosts."""
        for document in self._read(self._path):
            if not isinstance(document.value, dict):
                raise ManifestRefused(f"{self._path}: expected a mapping of Kustomize's fields.")
            self._lines = document.lines
            self._require_spelling(document.value, ())
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

    def _require_spelling(self, value: Any, path: Path) -> None:
        """Refuses fields in another case, which Kustomize accepts and these checks would miss."""
        for key, item in value.items() if isinstance(value, dict) else enumerate(_list(value)):
            if isinstance(key, str) and key not in _FIELDS and key.casefold() in _FOLDED:
                raise ManifestRefused(f"{self._where((*path, key))}: write `{_FOLDED[key.casefold()]}`.")
            if isinstance(key, int) or (not path and key in _WITH_FIELDS):
                self._require_spelling(item, (*path, key))

    def _follow(self, reference: str, path: Path) -> str | None:
        inline = self._inline(reference) if path[0] in _INLINE_OR_PATH else None
        if inline is not None:
            self._configured(inline, path)
            return None
        where = self._where(path)
        remote = remote_host(reference)
        if remote is not None:
            self._tree.require_allowed(remote, where)
            self._plan.fetch(reference, self._path, _field(path))
            return None
        target = self._tree.resolve(reference, self._folder, where)
        if self._tree.is_folder(target):
            return target
        if path[0] in (*_LISTS, *_INLINE_OR_PATH) and path[0] != "patchesStrategicMerge":
            for document in self._read(target):
                self._configured(document.value, path)
        return None

    def _inline(self, reference: str) -> Any:
        """Inline configuration in place of a path; None for a path."""
        if "\n" not in reference and not reference.lstrip().startswith("{"):
            return None
        return [document.value for document in documents(self._path, reference.encode(), self._plan.nodes)]

    def _configured(self, value: Any, path: Path) -> None:
        """Checks built-in generators and transformers, which can reference files like a kustomization."""
        for generator in _builtins(value):
            if str(generator.get("kind", "")).startswith("Helm"):
                raise ManifestRefused(f"{self._where(path)}: Kustomize is not allowed to run Helm.")
            for reference in _paths_in(generator):
                remote = remote_host(reference)
                if remote is not None:
                    self._tree.require_allowed(remote, self._where(path))
                    self._plan.fetch(reference, self._path, _field(path))

    def _read(self, path: str) -> Iterator[Document]:
        content = self._tree.files.get(path, b"")
        for document in documents(path, content, self._plan.nodes):
            self._plan.nodes = document.nodes
            yield document

    def _where(self, path: Path) -> str:
        return f"{self._path}:{line_of(self._lines, path)}, {_field(path)}"


def _field(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _references(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """All paths and URLs in a kustomization, with the paths of their fields."""
    for name in (*_LISTS, *_INLINE_OR_PATH):
        yield from _texts(value.get(name), (name,))
    for name in _WITH_PATH:
        for index, item in enumerate(_list(value.get(name))):
            if isinstance(item, dict):
                yield from _texts(item.get("path"), (name, index, "path"))
    if isinstance(value.get("openapi"), dict):
        yield from _texts(value["openapi"].get("path"), ("openapi", "path"))
    for name in _GENERATED:
        for index, item in enumerate(_list(value.get(name))):
            for key in ("files", "envs", "env"):
                value_of_key = item.get(key) if isinstance(item, dict) else None
                for path, text in _texts(value_of_key, (name, index, key)):
                    yield path, text.partition("=")[2] if key == "files" and "=" in text else text


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    for index, item in enumerate(_list(value)):
        if isinstance(item, str):
            yield (*path, index), item


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _builtins(value: Any) -> Iterator[Mapping[str, Any]]:
    """Built-in generators and transformers, also inside of lists."""
    if isinstance(value, dict) and value.get("apiVersion") == _BUILTIN:
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _builtins(item)


def _paths_in(value: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths_in(item, inside or key.casefold() in _PATHS)
    elif isinstance(value, list):
        for item in value:
            yield from _paths_in(item, inside)
    elif inside and isinstance(value, str):
        yield value.rpartition("=")[2] if "=" in value.partition("://")[0] else value


def _with_origin(
    source: Source, files: Files, fallback: str, documents_by_path: dict[str, Sequence[Document]]
) -> Source:
    metadata = source.manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    note = annotations.pop(_ORIGIN, None) if isinstance(annotations, dict) else None
    if isinstance(metadata, dict) and annotations == {}:
        del metadata["annotations"]
    origin = _origin(note) if isinstance(note, str) else {}
    origin_path = str(origin.get("path") or origin.get("configuredIn") or "")
    path = origin_path.removeprefix(f"../{COMMIT}/") if origin_path else fallback
    if origin.get("repo"):
        path = f"{origin['repo']}/{path}"
    if path not in documents_by_path:
        documents_by_path[path] = _documents(path, files.get(path, b""))
    lines = _lines_of(source.manifest, documents_by_path[path])
    return replace(source, file=path, lines=lines, made_by="Kustomize")


def _origin(note: str) -> Mapping[str, Any]:
    values = [document.value for document in _documents("origin", note.encode())]
    return values[0] if values and isinstance(values[0], dict) else {}


def _documents(path: str, content: bytes) -> Sequence[Document]:
    """The documents of a file; empty when it is invalid, which only makes line numbers less exact."""
    try:
        return list(documents(path, content, 0))
    except ManifestRefused:
        return ()


def _lines_of(manifest: Mapping[str, Any], documents_of_file: Sequence[Document]) -> Mapping[Path, int]:
    """The lines of the document of the same kind whose name is the longest part of the object's name."""
    name = _name(manifest)
    fitting = [
        document
        for document in documents_of_file
        if isinstance(document.value, dict)
        and document.value.get("kind") == manifest.get("kind")
        and _name(document.value) in name
    ]
    best = max(fitting, key=lambda document: len(_name(document.value)), default=None)
    return best.lines if best else {(): 1}


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
