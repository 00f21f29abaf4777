"""Labels by which the manifests select their own pods, and on which controllers of a cluster may act."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.guard.metadata import is_allowed_label, is_reserved_label
from bot.cluster.manifests import Source
from bot.cluster.names import digest
from bot.cluster.render.transforms.base import Context, Object, items, mapping, subject, text
from bot.model.notes import Effect, Note

_LONGEST_KEY = 63
_REASON = "manifests select by it, and other controllers may act on a label with a domain or a reserved name"
_FIELD_PATH = re.compile(r"metadata\.labels\['([^']*)'\]")


def rename_labels(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Renames labels that selectors use and that environments must not have, such as those of Kompose."""
    present = {key for source in sources for labels in _labels(source.manifest) for key in labels}
    selected = {key for source in sources for key in _selected(source.manifest)}
    renamed = {
        key: _new_name(key, present)
        for key in sorted(present & selected)
        if not is_reserved_label(key) and not is_allowed_label(key, context.policy)
    }
    notes: list[Note] = []
    for source in sources if renamed else ():
        notes += [
            Note(Effect.REWRITTEN, subject(source), _REASON, f"label {key}", renamed[key])
            for key in _rename(source.manifest, renamed)
        ]
    return list(sources), notes


def _new_name(key: str, taken: set[str]) -> str:
    """A key without a domain, on which no controller acts."""
    name = f"selector-{re.sub('[^a-z0-9]+', '-', key.lower()).strip('-')}"
    if len(name) > _LONGEST_KEY or name in taken or name.endswith("jenkins-config"):
        return f"selector-{digest(key)[:12]}"
    return name


def _rename(manifest: Object, renamed: Mapping[str, str]) -> list[str]:
    """Renames the labels of an object, in its selectors too; returns those that it has."""
    used: dict[str, None] = {}
    for keyed in (*_labels(manifest), *_selectors(manifest)):
        for key in keyed.keys() & renamed.keys():
            used[key] = None
            keyed[renamed[key]] = keyed.pop(key)
    for expression in _expressions(manifest):
        if (key := text(expression.get("key"))) in renamed:
            used[key] = None
            expression["key"] = renamed[key]
    for reference in _mappings_with(manifest, "fieldPath"):
        match = _FIELD_PATH.fullmatch(text(reference["fieldPath"]))
        if match is not None and match[1] in renamed:
            reference["fieldPath"] = f"metadata.labels['{renamed[match[1]]}']"
    return sorted(used)


def _selected(manifest: Object) -> Iterator[str]:
    for selector in _selectors(manifest):
        yield from selector
    for expression in _expressions(manifest):
        yield text(expression.get("key"))


def _labels(manifest: Object) -> Iterator[Object]:
    """The labels of an object and of its templates."""
    for parent in _mappings_with(manifest, "metadata"):
        if labels := mapping(parent, "metadata", "labels"):
            yield labels


def _selectors(manifest: Object) -> Iterator[Object]:
    if manifest["kind"] == "Service" and (selector := mapping(manifest, "spec", "selector")):
        yield selector
    for parent in _mappings_with(manifest, "matchLabels"):
        yield mapping(parent, "matchLabels")


def _expressions(manifest: Object) -> Iterator[Object]:
    for parent in _mappings_with(manifest, "matchExpressions"):
        yield from map(mapping, items(parent["matchExpressions"]))


def _mappings_with(value: Any, key: str) -> Iterator[Object]:
    """Each mapping that has the key, except for selectors of namespaces and nodes, whose labels stay."""
    if isinstance(value, dict):
        if key in value:
            yield value
        for name, content in value.items():
            if name not in ("namespaceSelector", "nodeAffinity", "data", "stringData"):
                yield from _mappings_with(content, key)
    elif isinstance(value, list):
        for content in value:
            yield from _mappings_with(content, key)
