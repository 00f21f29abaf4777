"""The charts of a repository that can be installed on their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import basename, dirname, join, normpath
from typing import Any

from bot.cluster.proposal.files import Files, documents, is_inside
from bot.cluster.render.transforms.base import items, mapping, text

_FILE = "Chart.yaml"
_KIND = re.compile(rb"^kind:\s*(?:Deployment|StatefulSet|DaemonSet)\b", re.MULTILINE)
_LOCAL = "file://"


def charts(files: Files) -> list[str]:
    """Folders of charts other than libraries and parts of another chart."""
    every = {dirname(path): _chart(files, dirname(path)) for path in files if basename(path) == _FILE}
    parts = {part for folder, chart in every.items() for part in _parts(folder, chart)}
    return [
        folder
        for folder, chart in every.items()
        if chart.get("type") != "library"
        and folder not in parts
        and not any(folder.startswith(f"{other}/charts/".lstrip("/")) for other in every)
    ]


def chart_size(files: Files, folder: str) -> int:
    """About how many workloads a chart has, with the charts of the repository on which it depends."""
    inside = {
        path for part in _with_parts(files, folder, set()) for path in files if is_inside(dirname(path), part)
    }
    workloads = sum(len(_KIND.findall(files[path])) for path in inside)
    # Templates of a library have no kind in the files: count a workload for each chart.
    return max(workloads, sum(basename(path) == _FILE for path in inside))


def _with_parts(files: Files, folder: str, seen: set[str]) -> Iterator[str]:
    if folder in seen:
        return
    seen.add(folder)
    yield folder
    for part in _parts(folder, _chart(files, folder)):
        yield from _with_parts(files, part, seen)


def _parts(folder: str, chart: Mapping[str, Any]) -> list[str]:
    """The charts of the repository on which a chart depends."""
    repositories = [
        text(mapping(dependency).get("repository")) for dependency in items(chart.get("dependencies"))
    ]
    return [
        normpath(join(folder, repository.removeprefix(_LOCAL)))
        for repository in repositories
        if repository.startswith(_LOCAL)
    ]


def _chart(files: Files, folder: str) -> Mapping[str, Any]:
    return next(documents(files, join(folder, _FILE)), {})
