"""Helm: dependencies of a chart, arguments of its rendering, and origins of objects. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from bot.cluster.manifests import Source, documents, objects
from bot.cluster.render.folder import COMMIT
from bot.cluster.render.references import CommitTree, remote_host
from bot.config.documents import Path, line_of
from bot.model.errors import ManifestRefused

Files = Mapping[str, bytes]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")
_DEPENDENCIES = ("Chart.yaml", "requirements.yaml", "Chart.lock", "requirements.lock")
_FIELDS = frozenset(("name", "dependencies", "repository"))
_MAX_DEPTH = 5
"""Levels of charts that depend on charts in folders of the repository."""
_SOURCE = re.compile(rb"# Source: (\S+)")
_HOOK = "helm.sh/hook"
_NOT_INSTALLED = frozenset(
    ("test", "test-success", "test-failure", "pre-delete", "post-delete", "pre-rollback", "post-rollback")
)


@dataclass(frozen=True, slots=True)
class HelmPlan:
    """Files to write and repositories to fetch from before a chart can be rendered."""

    release: str
    files: Mapping[str, bytes]
    repositories: Mapping[str, str]
    """URLs of the chart repositories of dependencies, by name."""
    online: bool


def plan(files: Files, directory: str, values: Sequence[str], hosts: Collection[str]) -> HelmPlan:
    """The plan for a chart. Raises ManifestRefused with file, line and field for an invalid chart or for a
    dependency from a host that is not in `hosts`."""
    tree = CommitTree(files, hosts)
    for path in values:
        if path not in files:
            raise ManifestRefused(
                f".greenroom.yml, manifests.helm.values: `{path}` does not exist in this commit."
            )
    chart = _Chart(tree, directory, directory)
    release = chart.name
    needed = {path: files[path] for path in values} | chart.files(_MAX_DEPTH)
    remote = sorted(chart.remote)
    urls = [url for url in remote if not url.lower().startswith("oci:")]
    repositories = {f"repository-{number}": url for number, url in enumerate(urls)}
    return HelmPlan(release, needed, repositories, bool(remote))


def arguments(made: HelmPlan, directory: str, values: Sequence[str], namespace: str) -> list[str]:
    """Arguments of `helm template`, which has no cluster: `lookup` returns nothing and CRDs are omitted."""
    chosen = [f"--values=../{COMMIT}/{path}" for path in values]
    chart = posixpath.join("..", COMMIT, directory)
    return ["template", made.release, chart, f"--namespace={namespace}", "--skip-tests", *chosen]


def repositories_file(repositories: Mapping[str, str]) -> bytes:
    """Helm's configuration file of chart repositories."""
    entries = [{"name": name, "url": url} for name, url in repositories.items()]
    return yaml.safe_dump({"apiVersion": "", "repositories": entries}).encode()


def sources(output: bytes, directory: str) -> tuple[Source, ...]:
    """The rendered objects, each with its template and its line in the template's output.

    Hooks that an installation does not run (tests, deletion, rollback) are omitted.
    """
    marks = list(_template_marks(output))
    manifests = objects([("helm", output)])
    return tuple(
        _with_template(source, marks, directory) for source in manifests if not _is_unused_hook(source)
    )


class _Chart:
    """A chart in a folder of the commit; `target` is its path on the disk, inside of its parent chart."""

    def __init__(self, tree: CommitTree, folder: str, target: str) -> None:
        self._tree = tree
        self._folder = folder
        self._target = target
        self._file = posixpath.join(folder, "Chart.yaml")
        if self._file not in tree.files:
            raise ManifestRefused(f"No Chart.yaml in `{folder or '.'}` of this commit.")
        self._lines: Mapping[Path, int] = {}
        self._chart = self._read(self._file)
        self.remote: set[str] = set()

    @property
    def name(self) -> str:
        """The name of the chart, which is also the name of its release."""
        name = self._chart.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ManifestRefused(
                f"{self._where(('name',))}: a chart's name consists of lower-case letters, digits and `-`."
            )
        return name

    def files(self, depth: int) -> dict[str, bytes]:
        """The files by their paths on the disk, including charts of the repository that it depends on."""
        prefix = f"{self._folder}/" if self._folder else ""
        files = {
            posixpath.join(self._target, path.removeprefix(prefix)): self._tree.files[path]
            for path in self._tree.files
            if path.startswith(prefix)
        }
        for path, dependency in self._dependencies():
            files |= self._dependency(path, dependency, depth)
        return files

    def _dependency(self, path: Path, dependency: Mapping[str, Any], depth: int) -> dict[str, bytes]:
        name, where = str(dependency.get("name") or ""), self._where(path)
        if not _NAME.fullmatch(name):
            raise ManifestRefused(f"{where}: a dependency requires the name of its chart.")
        inside = posixpath.join(self._folder, "charts")
        if any(
            path_in_chart.startswith((f"{inside}/{name}/", f"{inside}/{name}-"))
            for path_in_chart in self._tree.files
        ):
            return {}
        repository = str(dependency.get("repository") or "").strip()
        if repository.startswith("file://"):
            folder = self._tree.resolve(repository.removeprefix("file://"), self._folder, where)
            if depth == 0:
                raise ManifestRefused(f"{where}: charts are nested deeper than {_MAX_DEPTH} levels.")
            chart = _Chart(self._tree, folder, posixpath.join(self._target, "charts", name))
            files = chart.files(depth - 1)
            self.remote |= chart.remote
            return files
        found_host = remote_host(repository)
        if found_host is None or not repository.lower().startswith(("https://", "http://", "oci://")):
            raise ManifestRefused(
                f"{where}: the chart {name!r} is not in `{inside}/`, and its repository is not a URL."
            )
        self._tree.require_allowed(found_host, where)
        self.remote.add(repository)
        return {}

    def _dependencies(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The dependencies of each file that Helm reads; sets the current file and lines."""
        for name in _DEPENDENCIES:
            path = posixpath.join(self._folder, name)
            if path not in self._tree.files:
                continue
            self._file = path
            dependencies = self._read(path).get("dependencies") or []
            for index, dependency in enumerate(dependencies if isinstance(dependencies, list) else ()):
                if isinstance(dependency, dict):
                    self._require_spelling(dependency, ("dependencies", index))
                    yield ("dependencies", index), dependency

    def _require_spelling(self, value: Mapping[str, Any], path: Path) -> None:
        """Refuses fields in another case, which Helm accepts and these checks would miss."""
        for key in value:
            if key not in _FIELDS and key.casefold() in _FIELDS:
                raise ManifestRefused(f"{self._where((*path, key))}: write `{key.casefold()}`.")

    def _read(self, path: str) -> Mapping[str, Any]:
        for document in documents(path, self._tree.files[path], 0):
            if isinstance(document.value, dict):
                self._lines = document.lines
                self._require_spelling(document.value, ())
                return document.value
        raise ManifestRefused(f"{path}: expected a mapping of a chart's fields.")

    def _where(self, path: Path) -> str:
        field = ".".join(str(part) for part in path)
        return f"{self._file}:{line_of(self._lines, path)}, {field}"


def _template_marks(output: bytes) -> Iterator[tuple[int, str]]:
    """Line and template of each comment that Helm writes before the output of a template."""
    for number, line in enumerate(output.split(b"\n"), start=1):
        mark = _SOURCE.match(line)
        if mark:
            yield number, mark[1].decode(errors="replace")


def _with_template(source: Source, marks: Sequence[tuple[int, str]], directory: str) -> Source:
    first = source.line()
    line, template = max((mark for mark in marks if mark[0] < first), default=(0, ""))
    inside = template.partition("/")[2]
    lines = {path: max(number - line, 1) for path, number in source.lines.items()}
    return replace(source, file=posixpath.join(directory, inside), lines=lines, made_by="Helm")


def _is_unused_hook(source: Source) -> bool:
    metadata = source.manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    hook = annotations.get(_HOOK) if isinstance(annotations, dict) else None
    if not isinstance(hook, str):
        return False
    return {name.strip() for name in hook.split(",")} <= _NOT_INSTALLED
