"""Helm: the plan and the arguments of a chart's rendering, and the origins of objects. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.cluster.manifests import Source, objects
from bot.cluster.render.charts import Chart, Files
from bot.cluster.render.dependencies import RemoteChart, merged, read_values
from bot.cluster.render.folder import COMMIT
from bot.cluster.render.generated import Marked
from bot.cluster.render.references import CommitTree
from bot.model.errors import ManifestRefused
from bot.model.hooks import hook_of
from bot.model.notes import Effect, Note

_SOURCE = re.compile(rb"# Source: (\S+)")
_TEST_REASON = "hooks of the chart for `helm test` do not run; use `checks` of `.greenroom.yml`"
_DELETE_REASON = "hooks for the deletion of a release do not run, since an environment is deleted as a whole"


@dataclass(frozen=True, slots=True)
class HelmPlan:
    """What is written and fetched before a chart can be rendered."""

    release: str
    files: Mapping[str, bytes]
    remote: Mapping[str, RemoteChart]
    """Charts to fetch, by their folders."""


def plan(
    files: Files,
    directory: str,
    values: Sequence[str],
    hosts: Collection[str],
    settings: Mapping[str, object] | None = None,
) -> HelmPlan:
    """The plan for a chart with values files, and `settings` over them.

    Raises ManifestRefused with file, line and field for an invalid chart, and for all dependencies together
    that are neither in the commit nor at a host in `hosts`.
    """
    tree = CommitTree(files, hosts)
    given: dict[str, Any] = {}
    for path in values:
        if path not in files:
            raise ManifestRefused(
                f".greenroom.yml, manifests.helm.values: `{path}` does not exist in this commit."
            )
        given = merged(given, read_values(files[path]))
    for key, value in (settings or {}).items():
        given = merged(given, _nested(key, value))
    chart = Chart(tree, directory, directory, hosts)
    release = chart.name
    needed = {path: files[path] for path in values} | chart.files(given)
    chart.require_complete()
    return HelmPlan(release, needed, chart.remote)


def arguments(
    made: HelmPlan,
    directory: str,
    values: Sequence[str],
    namespace: str,
    settings: Mapping[str, object] | None = None,
) -> list[str]:
    """Arguments of `helm template`, which has no cluster: CRDs are omitted."""
    chosen = [f"--values=../{COMMIT}/{path}" for path in values]
    chosen += [f"--set-json={key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    chart = posixpath.join("..", COMMIT, directory)
    return ["template", made.release, chart, f"--namespace={namespace}", *chosen]


def _nested(key: str, value: object) -> dict[str, Any]:
    """The value below its key, whose parts are separated by dots without a backslash."""
    for part in reversed(re.split(r"(?<!\\)\.", key)):
        value = {part.replace("\\.", "."): value}
    return value if isinstance(value, dict) else {}


def sources(output: bytes, directory: str) -> tuple[Source, ...]:
    """The rendered objects, each with its template and its line in the template's output."""
    marks = list(_template_marks(output))
    return tuple(_with_template(source, marks, directory) for source in objects([("helm", output)]))


def without_unused_hooks(marked: Marked) -> Marked:
    """The objects without hooks that no deployment runs, and a note for each of these."""
    kept: list[Source] = []
    notes: list[Note] = []
    for source in marked.sources:
        hook = hook_of(source.manifest)
        if hook is None or hook.is_deployed:
            kept.append(source)
            continue
        name = (source.manifest.get("metadata") or {}).get("name")
        reason = _TEST_REASON if any(word.startswith("test") for word in hook.names) else _DELETE_REASON
        notes.append(Note(Effect.LEFT_OUT, f"{source.manifest['kind']}/{name}", reason))
    left_out = {note.object for note in notes}
    others = (note for note in marked.notes if note.object not in left_out)
    return replace(marked, sources=tuple(kept), notes=(*others, *notes))


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
