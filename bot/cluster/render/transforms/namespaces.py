"""Namespaces that are written into manifests: the environment's namespace takes their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.pod_templates import POD_TEMPLATES
from bot.cluster.render.texts import decoded, encoded, is_value, strings, with_texts
from bot.cluster.render.transforms.base import (
    Context,
    Object,
    items,
    mapping,
    name_of,
    subject,
    text,
)
from bot.cluster.render.transforms.written_namespaces import written_namespaces
from bot.config.documents import Path
from bot.model.notes import Effect, Note

_LEFT_OUT = "the environment's namespace replaces it"
_MOVED = "the manifests name this one namespace, and the environment's namespace replaces it"
_JOINED = "the environment has one namespace in place of those of the manifests"
_OWN = "the Service is in the environment's namespace"
_ELSEWHERE = "an environment cannot reach Services of other namespaces"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_FULL_NAME = re.compile(rf"(?<![\w.-])((?:{_LABEL}\.)?)({_LABEL})\.({_LABEL})(?=\.svc(?![\w-]))")
"""A pod with a dot, or nothing; Service; namespace."""
_SHORT_NAME = re.compile(rf"(?<![\w.-])()({_LABEL})\.({_LABEL})(?![\w-]|\.\w)")


def leave_out_namespaces(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out Namespace objects, since the environment has its own."""
    kept = [source for source in sources if source.manifest["kind"] != "Namespace"]
    left_out = [subject(source) for source in sources if source.manifest["kind"] == "Namespace"]
    return kept, [Note(Effect.LEFT_OUT, name, _LEFT_OUT) for name in left_out]


def rewrite_service_names(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Rewrites names such as `db.shop.svc` of the manifests' own Services in variables and data."""
    services = {name_of(source) for source in sources if source.manifest["kind"] == "Service"}
    written, namespace = written_namespaces(sources), context.request.namespace
    notes: list[Note] = []
    rewritten_sources = []
    for source in sources:
        texts: dict[Path, str] = {}
        for path, value in _values(source.manifest):
            elsewhere: list[str] = []

            def rewritten(match: re.Match[str], elsewhere: list[str] = elsewhere) -> str:
                pod, service, other = match.groups()
                if service in services or other in written:
                    return f"{pod}{service}.{namespace}"
                if other != namespace:
                    elsewhere.append(f"{service}.{other}")
                return match[0]

            def shortened(match: re.Match[str]) -> str:
                is_own = match[2] in services and match[3] in written
                return f"{match[2]}.{namespace}" if is_own else match[0]

            replaced = _SHORT_NAME.sub(shortened, _FULL_NAME.sub(rewritten, value))
            field = field_text(path)
            if replaced != value:
                texts[path] = encoded(source.manifest["kind"], path, replaced)
                notes.append(Note(Effect.REWRITTEN, subject(source), _OWN, field))
            notes += [
                Note(Effect.KEPT, subject(source), _ELSEWHERE, field, service)
                for service in dict.fromkeys(elsewhere)
            ]
        manifest = with_texts(source.manifest, texts) if texts else source.manifest
        rewritten_sources.append(replace(source, manifest=manifest))
    return rewritten_sources, notes


def move_objects(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Moves objects into the environment's namespace, if those of all namespaces can be in one."""
    written, namespace = written_namespaces(sources), context.request.namespace
    reason = _MOVED if len(written) == 1 else f"{_JOINED}: {', '.join(sorted(written))}"
    notes: list[Note] = []
    for source in sources:
        for field, parent in _places(source.manifest):
            if (name := text(parent.get("namespace"))) in written and name != namespace:
                parent["namespace"] = namespace
                notes.append(Note(Effect.REWRITTEN, subject(source), reason, f"{field}.namespace", namespace))
    return list(sources), notes


def _places(manifest: Object) -> Iterator[tuple[str, Object]]:
    """The mappings with a field `namespace`: metadata, that of templates, and subjects of bindings."""
    yield "metadata", mapping(manifest, "metadata")
    path = POD_TEMPLATES.get(manifest["kind"], ())
    for end in range(1, len(path) + 1):
        yield ".".join((*path[:end], "metadata")), mapping(manifest, *path[:end], "metadata")
    for index, claim in enumerate(items(mapping(manifest, "spec").get("volumeClaimTemplates"))):
        yield f"spec.volumeClaimTemplates[{index}].metadata", mapping(claim, "metadata")
    for index, bound in enumerate(items(manifest.get("subjects"))):
        yield f"subjects[{index}]", mapping(bound)


def _values(manifest: Object) -> Iterator[tuple[Path, str]]:
    """The decoded texts in which Services may be named: data, variables and arguments."""
    kind = manifest["kind"]
    for path, written in strings(manifest):
        if is_value(kind, path) and (value := decoded(kind, path, written)):
            yield path, value
