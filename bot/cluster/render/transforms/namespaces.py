"""Namespaces that are written into manifests: the environment's namespace takes their place."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bot.cluster.manifests import Source
from bot.cluster.pod_templates import CONTAINERS, POD_TEMPLATES
from bot.cluster.render.transforms.base import Context, Object, items, mapping, name_of, subject, text
from bot.model.notes import Effect, Note

_LEFT_OUT = "the environment's namespace replaces it"
_MOVED = "the manifests name this one namespace, and the environment's namespace replaces it"
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
    written, namespace = written_namespace(sources), context.request.namespace
    notes: list[Note] = []
    for source in sources:
        for field, parent, key, is_encoded in _texts(source.manifest):
            written_text = _decoded(parent[key]) if is_encoded else parent[key]
            elsewhere: list[str] = []

            def rewritten(match: re.Match[str], elsewhere: list[str] = elsewhere) -> str:
                pod, service, other = match.groups()
                if service in services or other == written:
                    return f"{pod}{service}.{namespace}"
                if other != namespace:
                    elsewhere.append(f"{service}.{other}")
                return match[0]

            def shortened(match: re.Match[str]) -> str:
                is_own = match[2] in services and match[3] == written
                return f"{match[2]}.{namespace}" if is_own else match[0]

            replaced = _SHORT_NAME.sub(shortened, _FULL_NAME.sub(rewritten, written_text))
            if replaced != written_text:
                parent[key] = base64.b64encode(replaced.encode()).decode() if is_encoded else replaced
                notes.append(Note(Effect.REWRITTEN, subject(source), _OWN, field))
            notes += [
                Note(Effect.KEPT, subject(source), _ELSEWHERE, field, service)
                for service in dict.fromkeys(elsewhere)
            ]
    return list(sources), notes


def move_objects(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Moves objects into the environment's namespace if all that name a namespace name the same one."""
    written, namespace = written_namespace(sources), context.request.namespace
    notes: list[Note] = []
    if written in ("", namespace):
        return list(sources), notes
    for source in sources:
        for field, parent in _places(source.manifest):
            if parent.get("namespace") == written:
                parent["namespace"] = namespace
                notes.append(Note(Effect.REWRITTEN, subject(source), _MOVED, f"{field}.namespace", namespace))
    return list(sources), notes


def written_namespace(sources: Sequence[Source]) -> str:
    """The namespace that all objects with a namespace name; "" if they name none or several."""
    namespaces = {text(mapping(source.manifest, "metadata").get("namespace")) for source in sources} - {""}
    return next(iter(namespaces)) if len(namespaces) == 1 else ""


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


def _texts(manifest: Object) -> Iterator[tuple[str, Any, Any, bool]]:
    """Field, parent, key and whether it is base64 for each text in which Services may be named."""
    kind = manifest["kind"]
    for name, is_encoded in (("data", kind == "Secret"), ("stringData", False)):
        data = mapping(manifest, name) if kind in ("ConfigMap", "Secret") else {}
        yield from ((f"{name}.{key}", data, key, is_encoded) for key in data if isinstance(data[key], str))
    path = POD_TEMPLATES.get(kind)
    if path is None:
        return
    for group in CONTAINERS:
        for index, container in enumerate(items(mapping(manifest, *path, "spec").get(group))):
            place = ".".join((*path, "spec", f"{group}[{index}]"))
            for position, variable in enumerate(items(mapping(container).get("env"))):
                if isinstance(mapping(variable).get("value"), str):
                    yield f"{place}.env[{position}].value", variable, "value", False
            for field in ("command", "args"):
                arguments = items(mapping(container).get(field))
                for position, argument in enumerate(arguments):
                    if isinstance(argument, str):
                        yield f"{place}.{field}[{position}]", arguments, position, False


def _decoded(text: str) -> str:
    """The text of base64; "" when it is not valid or is binary."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""
