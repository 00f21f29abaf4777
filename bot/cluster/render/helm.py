"""Helm: what a chart may depend on, how it is rendered, and which template each object came from. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from bot.cluster.render.folder import COMMIT
from bot.cluster.render.manifests import Source, documents, objects
from bot.cluster.render.references import CommitTree, remote_host
from bot.config.documents import Path
from bot.model.errors import ManifestRefused

Files = Mapping[str, bytes]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")
_DEPENDENCIES = ("Chart.yaml", "requirements.yaml", "Chart.lock", "requirements.lock")
_FIELDS = frozenset(("name", "dependencies", "repository"))
_DEEPEST = 5
"""Charts in charts that are folders of the repository."""
_SOURCE = re.compile(rb"# Source: (\S+)")
_HOOK = "helm.sh/hook"
_NOT_INSTALLED = frozenset(
    ("test", "test-success", "test-failure", "pre-delete", "post-delete", "pre-rollback", "post-rollback")
)


@dataclass(frozen=True, slots=True)
class HelmPlan:
    """What has to be on the disk, and what has to be fetched before the chart can be rendered."""

    release: str
    files: Mapping[str, bytes]
    repositories: Mapping[str, str]
    """Name to URL of the chart repositories that dependencies come from."""
    online: bool


def plan(files: Files, directory: str, values: Sequence[str], hosts: Collection[str]) -> HelmPlan:
    """Raises ManifestRefused, which names file, line and field, for a chart that cannot be rendered, or would
    be fetched from a host that is not among `hosts`."""
    tree = CommitTree(files, hosts)
    for path in values:
        if path not in files:
            raise ManifestRefused(f".greenroom.yml, manifests.helm.values: this commit has no `{path}`.")
    chart = _Chart(tree, directory, directory)
    release = chart.name
    needed = {path: files[path] for path in values} | chart.files(_DEEPEST)
    remote = sorted(chart.remote)
    urls = [url for url in remote if not url.lower().startswith("oci:")]
    repositories = {f"repository-{number}": url for number, url in enumerate(urls)}
    return HelmPlan(release, needed, repositories, bool(remote))


def arguments(made: HelmPlan, directory: str, values: Sequence[str], namespace: str) -> list[str]:
    """Of the rendering. Without a cluster: `lookup` finds nothing, and CRDs are left out."""
    chosen = [f"--values=../{COMMIT}/{path}" for path in values]
    chart = posixpath.join("..", COMMIT, directory)
    return ["template", made.release, chart, f"--namespace={namespace}", "--skip-tests", *chosen]


def repositories_file(repositories: Mapping[str, str]) -> bytes:
    """Helm's own list of chart repositories."""
    entries = [{"name": name, "url": url} for name, url in repositories.items()]
    return yaml.safe_dump({"apiVersion": "", "repositories": entries}).encode()


def sources(output: bytes, directory: str) -> tuple[Source, ...]:
    """The objects of a rendering, each with its template and its lines in what Helm makes of that one.

    Left out are hooks that an installation does not run: tests, and what belongs to a deletion.
    """
    marks = list(_marks(output))
    found = objects([("helm", output)])
    return tuple(_placed(source, marks, directory) for source in found if not _is_left_out(source))


class _Chart:
    """A chart in a folder; `target` is where it will lie, which differs for one inside another."""

    def __init__(self, tree: CommitTree, folder: str, target: str) -> None:
        self._tree = tree
        self._folder = folder
        self._target = target
        self._file = posixpath.join(folder, "Chart.yaml")
        if self._file not in tree.files:
            raise ManifestRefused(f"There is no Chart.yaml in `{folder or '.'}` of this commit.")
        self._lines: Mapping[Path, int] = {}
        self._chart = self._read(self._file)
        self.remote: set[str] = set()

    @property
    def name(self) -> str:
        """Of the chart, and so of its release."""
        name = self._chart.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ManifestRefused(
                f"{self._where(('name',))}: a chart's name is made of lower-case letters, digits and `-`."
            )
        return name

    def files(self, depth: int) -> dict[str, bytes]:
        """By their paths on the disk, with the charts of the repository that it depends on inside."""
        prefix = f"{self._folder}/" if self._folder else ""
        found = {
            posixpath.join(self._target, path.removeprefix(prefix)): content
            for path, content in self._tree.files.items()
            if path.startswith(prefix)
        }
        for path, dependency in self._dependencies():
            found |= self._dependency(path, dependency, depth)
        return found

    def _dependency(self, path: Path, dependency: Mapping[str, Any], depth: int) -> dict[str, bytes]:
        name, where = str(dependency.get("name") or ""), self._where(path)
        if not _NAME.fullmatch(name):
            raise ManifestRefused(f"{where}: a dependency needs the name of its chart.")
        inside = posixpath.join(self._folder, "charts")
        if any(each.startswith((f"{inside}/{name}/", f"{inside}/{name}-")) for each in self._tree.files):
            return {}
        repository = str(dependency.get("repository") or "").strip()
        if repository.startswith("file://"):
            folder = self._tree.resolve(repository.removeprefix("file://"), self._folder, where)
            if depth == 0:
                raise ManifestRefused(f"{where}: charts are nested deeper than {_DEEPEST} levels.")
            chart = _Chart(self._tree, folder, posixpath.join(self._target, "charts", name))
            found = chart.files(depth - 1)
            self.remote |= chart.remote
            return found
        found_host = remote_host(repository)
        if found_host is None or not repository.lower().startswith(("https://", "http://", "oci://")):
            raise ManifestRefused(
                f"{where}: the chart {name!r} is not in `{inside}/`, and its repository is no URL."
            )
        self._tree.require_allowed(found_host, where)
        self.remote.add(repository)
        return {}

    def _dependencies(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Of every file that Helm would take them from, with its lines at hand."""
        for name in _DEPENDENCIES:
            path = posixpath.join(self._folder, name)
            if path not in self._tree.files:
                continue
            self._file = path
            found = self._read(path).get("dependencies") or []
            for index, each in enumerate(found if isinstance(found, list) else ()):
                if isinstance(each, dict):
                    self._spelled(each, ("dependencies", index))
                    yield ("dependencies", index), each

    def _spelled(self, value: Mapping[str, Any], path: Path) -> None:
        """Helm takes a field in any case; one that is not spelled as usual would be overlooked here."""
        for key in value:
            if key not in _FIELDS and key.casefold() in _FIELDS:
                raise ManifestRefused(f"{self._where((*path, key))}: write `{key.casefold()}`.")

    def _read(self, path: str) -> Mapping[str, Any]:
        for document in documents(path, self._tree.files[path], 0):
            if isinstance(document.value, dict):
                self._lines = document.lines
                self._spelled(document.value, ())
                return document.value
        raise ManifestRefused(f"{path}: expected a mapping of a chart's fields.")

    def _where(self, path: Path) -> str:
        known = path
        while known and known not in self._lines:
            known = known[:-1]
        told = ".".join(str(part) for part in path)
        return f"{self._file}:{self._lines.get(known, 1)}, {told}"


def _marks(output: bytes) -> Iterator[tuple[int, str]]:
    """Line and template of each mark that Helm puts before what it made of a template."""
    for number, line in enumerate(output.split(b"\n"), start=1):
        mark = _SOURCE.match(line)
        if mark:
            yield number, mark[1].decode(errors="replace")


def _placed(source: Source, marks: Sequence[tuple[int, str]], directory: str) -> Source:
    first = source.line()
    line, template = max((mark for mark in marks if mark[0] < first), default=(0, ""))
    inside = template.partition("/")[2]
    lines = {path: max(number - line, 1) for path, number in source.lines.items()}
    return replace(source, file=posixpath.join(directory, inside), lines=lines, made_by="Helm")


def _is_left_out(source: Source) -> bool:
    metadata = source.manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    hook = annotations.get(_HOOK) if isinstance(annotations, dict) else None
    if not isinstance(hook, str):
        return False
    return {each.strip() for each in hook.split(",")} <= _NOT_INSTALLED
