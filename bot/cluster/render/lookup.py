"""What `lookup` in the templates of a chart returns: objects of earlier releases. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.render.charts import Files
from bot.cluster.render.generated import Marked
from bot.cluster.render.generated_values import captured, live_text, substituted, templates
from bot.cluster.render.texts import encoded, with_texts
from bot.model.manifest import Manifest

PROBE = "probe"
"""Folder of the chart that prints what Helm assumes of a cluster when it renders without one."""
PROBE_FILES = {
    f"{PROBE}/Chart.yaml": b"apiVersion: v2\nname: probe\nversion: 1.0.0\n",
    f"{PROBE}/templates/capabilities.yaml": (
        b'{"version": {{ .Capabilities.KubeVersion.Version | toJson }},'
        b' "versions": {{ .Capabilities.APIVersions | toJson }}}\n'
    ),
}
_CALL = re.compile(rb'\blookup\s+"([A-Za-z0-9./-]+)"\s+"([A-Za-z0-9]+)"')
ARGUMENTS = ("--dry-run=server", "--take-ownership", "--disable-openapi-validation")
"""Arguments with which `helm template` queries the API server and accepts existing objects of the chart."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The cluster that charts see: the same one with and without objects."""

    version: str
    api_versions: tuple[str, ...]


def is_used(files: Files) -> bool:
    """Whether a template may call `lookup`."""
    return any(b"lookup" in content for content in _templates(files))


def _templates(files: Files) -> list[bytes]:
    return [content for path, content in files.items() if "/templates/" in f"/{path}"]


def capabilities(output: bytes) -> Capabilities:
    """The capabilities from the rendered PROBE_FILES."""
    printed = json.loads(output[output.index(b"{") :])
    return Capabilities(printed["version"], tuple(printed["versions"]))


def content(
    cluster: Capabilities, objects: Sequence[Manifest], rendered: Iterable[Manifest], files: Files
) -> bytes:
    """The content of the server: the objects, and the kinds of the cluster.

    Helm requires the kinds that the chart renders or looks up.
    """
    kinds: dict[str, list[str]] = {version: [] for version in cluster.api_versions}
    named = [(str(manifest.get("apiVersion")), manifest["kind"]) for manifest in (*objects, *rendered)]
    for template in _templates(files):
        named += [(version.decode(), kind.decode()) for version, kind in _CALL.findall(template)]
    for version, kind in dict.fromkeys(named):
        kinds.setdefault(version, []).append(kind)
    served = {"version": cluster.version, "kinds": kinds, "objects": list(objects)}
    return json.dumps(served).encode()


def with_other_values(objects: Sequence[Manifest], marked: Marked) -> list[Manifest]:
    """The objects with other generated values in the same places.

    What a chart takes over from them differs between both renderings then, as if it had generated it.
    """
    sources = {
        (source.manifest["kind"], (source.manifest.get("metadata") or {}).get("name")): source.manifest
        for source in marked.sources
    }
    return [
        _changed(current, sources.get((current["kind"], current["metadata"]["name"])), marked.others)
        for current in objects
    ]


def _changed(current: Manifest, source: Manifest | None, others: Mapping[str, str]) -> Manifest:
    if source is None:
        return current
    kind = current["kind"]
    texts: dict[tuple[Any, ...], str] = {}
    for path, template in templates(source):
        place = live_text(current, path)
        if place is not None and captured(template, place[1]):
            texts[place[0]] = encoded(kind, place[0], substituted(template, others))
    changed: Manifest = with_texts(current, texts) if texts else current
    return changed
