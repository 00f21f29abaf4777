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
from bot.cluster.render.generated import Marked, mark, stable_part
from bot.cluster.render.references import CommitTree
from bot.cluster.render.transforms.base import name_of
from bot.model.errors import ManifestRefused
from bot.model.hooks import hook_of
from bot.model.notes import Effect, Note

_SOURCE = re.compile(rb"# Source: (\S+)")
_REMOTE_SCHEMA = re.compile(rb'"\$(?:dynamicR|r)ef"\s*:\s*"https?://')
_REMOTE_BASE = re.compile(rb'"\$id"\s*:\s*"https?://')
_OTHER = re.compile(rb'"\$(?:dynamicR|r)ef"\s*:\s*"[^"#]')
"""A reference to another schema, relative to the base."""
_REFUSED_VALUES = re.compile(r"values don't meet the specifications|execution error at \(")
"""Errors of a schema, and of `required` or `fail` in a template."""
WITHOUT_SCHEMAS = ("--skip-schema-validation",)
_SCHEMA_REASON = "it refers to schemas on other hosts, so Helm does not check the values with schemas"
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


def advice(error: str) -> str:
    """What to do about an error of Helm; "" if its text is all that is known."""
    if _REFUSED_VALUES.search(error):
        return " The chart requires other values: set them with `values` or `set` of `manifests.helm`."
    return ""


def schema_notes(files: Files) -> tuple[Note, ...]:
    """A note for each schema of values that needs other hosts: Helm has no network to read their schemas."""
    return tuple(
        Note(Effect.LEFT_OUT, path, _SCHEMA_REASON)
        for path, content in sorted(files.items())
        if posixpath.basename(path) == "values.schema.json"
        and (_REMOTE_SCHEMA.search(content) or (_REMOTE_BASE.search(content) and _OTHER.search(content)))
    )


def _nested(key: str, value: object) -> dict[str, Any]:
    """The value below its key, whose parts are separated by dots without a backslash."""
    for part in reversed(re.split(r"(?<!\\)\.", key)):
        value = {part.replace("\\.", "."): value}
    return value if isinstance(value, dict) else {}


def sources(output: bytes, directory: str) -> tuple[Source, ...]:
    """The rendered objects, each with its template and its line in the template's output."""
    marks = list(_template_marks(output))
    return tuple(_with_template(source, marks, directory) for source in objects([("helm", output)]))


def mark_deployed(first: Sequence[Source], second: Sequence[Source]) -> Marked:
    """The objects of both renderings that a deployment creates, with placeholders for what differs.

    Hooks that no deployment runs are left out before the comparison: their names may be generated.
    """
    marked = mark(
        *([source for source in rendering if _is_deployed(source)] for rendering in (first, second))
    )
    unused = ([source for source in rendering if not _is_deployed(source)] for rendering in (first, second))
    return replace(marked, notes=(*marked.notes, *map(_unused_hook, *unused)))


def _is_deployed(source: Source) -> bool:
    hook = hook_of(source.manifest)
    return hook is None or hook.is_deployed


def _unused_hook(source: Source, other: Source) -> Note:
    hook, name = hook_of(source.manifest), stable_part(name_of(source), name_of(other))
    is_test = hook is not None and any(word.startswith("test") for word in hook.names)
    reason = _TEST_REASON if is_test else _DELETE_REASON
    return Note(Effect.LEFT_OUT, f"{source.manifest['kind']}/{name or '(unnamed)'}", reason)


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
