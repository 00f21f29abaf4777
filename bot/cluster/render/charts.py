"""The files of a chart and of its dependencies. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from bot.cluster.manifests import documents
from bot.cluster.render.archives import unpack
from bot.cluster.render.dependencies import (
    RemoteChart,
    child_values,
    enabled,
    is_current,
    locked_versions,
    merged,
    read_values,
)
from bot.cluster.render.references import CommitTree, remote_host
from bot.config.documents import Path, line_of
from bot.model.errors import ManifestRefused

Files = Mapping[str, bytes]
Values = Mapping[str, Any]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")
_VERSION = re.compile(r"v?\d+\.\d+\.\d+([+-][0-9A-Za-z.+-]{1,100})?")
_LISTS = {"Chart.yaml": "Chart.lock", "requirements.yaml": "requirements.lock"}
"""Files with dependencies, and those that lock their versions."""
_FIELDS = frozenset(
    ("name", "dependencies", "repository", "version", "condition", "tags", "alias", "digest", "generated")
)
_MAX_DEPTH = 5
"""Levels of charts that depend on charts in folders of the repository."""


class Chart:
    """A chart in a folder of the commit; `target` is its path on the disk, inside of its parent chart."""

    def __init__(self, tree: CommitTree, folder: str, target: str, hosts: Collection[str]) -> None:
        self._tree = tree
        self._folder = folder
        self._target = target
        self._hosts = hosts
        self._file = posixpath.join(folder, "Chart.yaml")
        if self._file not in tree.files:
            raise ManifestRefused(f"No Chart.yaml in `{folder or '.'}` of this commit.")
        self._lines: Mapping[Path, int] = {}
        self._chart = self._read(self._file)
        self.remote: dict[str, RemoteChart] = {}
        """Charts to fetch, by their folders."""
        self.missing: list[str] = []
        """Why dependencies are missing."""
        self.refused_hosts: set[str] = set()

    @property
    def name(self) -> str:
        """The name of the chart, which is also the name of its release."""
        name = self._chart.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ManifestRefused(
                f"{self._where(('name',))}: a chart's name consists of lower-case letters, digits and `-`."
            )
        return name

    def require_complete(self) -> None:
        """Raises ManifestRefused that names all missing dependencies and the remedy."""
        if not self.missing:
            return
        hosts = ", ".join(sorted(self.refused_hosts))
        ask = f", or ask the operator to add {hosts} to GREENROOM_RENDER_HOSTS" if hosts else ""
        folder = posixpath.join(self._folder, "charts")
        raise ManifestRefused(
            f"{'; '.join(self.missing)}. Run `helm dependency build` and commit `{folder}/`, disable the "
            f"dependency in the values{ask}."
        )

    def files(self, given: Values, depth: int = _MAX_DEPTH) -> dict[str, bytes]:
        """The files by their paths on the disk, including charts of the repository that it depends on.

        `given` are the values for the chart, which override its own.
        """
        prefix = f"{self._folder}/" if self._folder else ""
        own = {
            path.removeprefix(prefix): self._tree.files[path]
            for path in self._tree.files
            if path.startswith(prefix)
        }
        own = _unpacked(own, self._folder)
        files = {posixpath.join(self._target, path): content for path, content in own.items()}
        values = merged(read_values(own.get("values.yaml", b"")), given)
        for name, lock in _LISTS.items():
            if posixpath.join(self._folder, name) in self._tree.files:
                files |= self._listed(name, lock, own, values, depth)
        return files

    def _listed(self, name: str, lock_name: str, own: Files, values: Values, depth: int) -> dict[str, bytes]:
        """The files of the dependencies that one file lists, and that file without disabled ones."""
        lock_path = posixpath.join(self._folder, lock_name)
        lock = self._read(lock_path) if lock_path in self._tree.files else None
        self._file = posixpath.join(self._folder, name)
        content = self._read(self._file)
        listed = content.get("dependencies")
        dependencies = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        present = _present(own)
        versions = list(locked_versions(dependencies, lock or {}))
        files: dict[str, bytes] = {}
        absent: list[object] = []
        outdated = lock is not None and not is_current(dependencies, lock)
        for index, dependency in enumerate(dependencies):
            path: Path = ("dependencies", index)
            self._require_spelling(dependency, path)
            chart_name = str(dependency.get("name") or "")
            if not _NAME.fullmatch(chart_name):
                raise ManifestRefused(f"{self._where(path)}: a dependency requires the name of its chart.")
            if chart_name in present:
                continue
            if not enabled(dependency, values):
                absent.append(dependency)
                continue
            locked = "" if outdated else versions[index]
            files |= self._dependency(path, chart_name, dependency, locked, values, depth)
        if absent:
            kept = [item for item in dependencies if not any(item is other for other in absent)]
            rewritten = yaml.safe_dump({**content, "dependencies": kept}, sort_keys=False)
            files[posixpath.join(self._target, name)] = rewritten.encode()
        return files

    def _dependency(
        self,
        path: Path,
        name: str,
        dependency: Mapping[str, Any],
        locked: str | None,
        values: Values,
        depth: int,
    ) -> dict[str, bytes]:
        """The files of a chart in the repository; otherwise adds it to those to fetch, or to the missing."""
        where = self._where(path)
        repository = str(dependency.get("repository") or "").strip()
        if repository.startswith("file://"):
            folder = self._tree.resolve(repository.removeprefix("file://"), self._folder, where)
            if depth == 0:
                raise ManifestRefused(f"{where}: charts are nested deeper than {_MAX_DEPTH} levels.")
            target = posixpath.join(self._target, "charts", name)
            chart = Chart(self._tree, folder, target, self._hosts)
            files = chart.files(child_values(values, dependency), depth - 1)
            self.remote |= chart.remote
            self.missing += chart.missing
            self.refused_hosts |= chart.refused_hosts
            return files
        host = remote_host(repository)
        version = locked if locked is not None else str(dependency.get("version") or "")
        if host is None or not repository.lower().startswith(("https://", "http://", "oci://")):
            self.missing.append(
                f"{where}: the chart {name!r} is not in the commit, and its repository is not a URL"
            )
        elif host not in self._hosts:
            self.missing.append(
                f"{where}: the chart {name!r} is fetched from {host}, which the operator does not allow"
            )
            self.refused_hosts.add(host)
        elif locked == "":
            self.missing.append(f"{where}: the lock of {name!r} is out of date; run `helm dependency update`")
        elif not _VERSION.fullmatch(version):
            self.missing.append(
                f"{where}: no lock has the version of {name!r}; run `helm dependency update` and "
                "commit its lock"
            )
        else:
            target = posixpath.join(self._target, "charts", f"{name}-{version}")
            self.remote[target] = RemoteChart(repository, name, version, where)
        return {}

    def _require_spelling(self, value: Mapping[str, Any], path: Path) -> None:
        """Refuses fields in another case, which Helm accepts and these checks would miss."""
        for key in value:
            if key not in _FIELDS and key.casefold() in _FIELDS:
                raise ManifestRefused(f"{self._where((*path, key))}: write `{key.casefold()}`.")

    def _read(self, path: str) -> Mapping[str, Any]:
        self._file = path
        for document in documents(path, self._tree.files[path], 0):
            if document.value is None:
                continue
            if isinstance(document.value, dict):
                self._lines = document.lines
                self._require_spelling(document.value, ())
                return document.value
            break
        else:
            if path.endswith(".lock"):
                return {}
        raise ManifestRefused(f"{path}: expected a mapping of a chart's fields.")

    def _where(self, path: Path) -> str:
        field = ".".join(str(part) for part in path)
        return f"{self._file}:{line_of(self._lines, path)}, {field}"


def _unpacked(files: Files, folder: str) -> dict[str, bytes]:
    """The files of a chart with the packaged charts in `charts/` unpacked."""
    result: dict[str, bytes] = {}
    for path, content in files.items():
        if path.startswith("charts/") and path.count("/") == 1 and path.endswith((".tgz", ".tar.gz")):
            inside = unpack(content, posixpath.join(folder, path))
            target = path.removesuffix(".tgz").removesuffix(".tar.gz")
            result |= {f"{target}/{name}": text for name, text in inside.items()}
        else:
            result[path] = content
    return result


def _present(files: Files) -> set[str]:
    """The names of the charts in `charts/`."""
    charts = [path for path in files if path.startswith("charts/") and path.count("/") == 2]
    return {
        str(read_values(files[path]).get("name"))
        for path in charts
        if posixpath.basename(path) == "Chart.yaml"
    }
