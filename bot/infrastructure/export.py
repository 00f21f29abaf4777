"""The contents of an environment as a document without secret and generated values. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.infrastructure.drift.fields import MISSING, Difference, differences, path_text
from bot.model.environment import Environment
from bot.model.manifest import Bundle, Manifest
from bot.model.plan import AppliedPlan
from bot.model.secret import secret_versions

VERSION = 1
_WITHHELD = "(not exported)"
_GENERATED = "(generated)"
_SECRET_FIELDS = ("data", "stringData")
_OWN = "greenroom.dev/"
_PLACE = frozenset(("environment", "namespace", "rendered", "repository", "state"))
"""Fields in which any two environments differ."""


def exported(environment: Environment, configuration: str, bundle: Bundle) -> dict[str, Any]:
    """The document of an environment that was rendered from this configuration."""
    status, target = environment.status, environment.overrides.target
    objects = [manifest for wave in bundle.waves.values() for manifest in wave]
    return {
        "version": VERSION,
        "environment": str(environment.key),
        "repository": environment.repository.full_name,
        "namespace": environment.namespace,
        "state": status.state.value,
        "release": {
            **({"id": target.release.id} if target is not None else {}),
            "commit": bundle.release.commit,
            "manifests": bundle.manifests_digest,
            "images": {name: image.reference for name, image in sorted(bundle.release.images.items())},
            **({"from_fork": True} if target is not None and target.release.from_fork else {}),
        },
        "rendered": bundle.release.id,
        "configuration": f"sha256:{hashlib.sha256(configuration.encode()).hexdigest()}",
        "secrets": dict(secret_versions(status.secrets)),
        **_infrastructure(environment.attempt.applied_plan),
        "objects": [_without_values(manifest, bundle.generated) for manifest in objects],
    }


def document_differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    """Lines of a diff: `-` is the left environment. Namespaces, and labels of Greenroom, do not count."""
    bare = [
        {name: value for name, value in document.items() if name not in _PLACE} for document in (left, right)
    ]
    objects = [_by_name(document.pop("objects", [])) for document in bare]
    for difference in differences(bare[0], bare[1]):
        yield from _lines("", difference)
    for name in sorted({*objects[0], *objects[1]}):
        sides = [side.get(name, MISSING) for side in objects]
        lines = [line for difference in differences(*sides) for line in _lines(name, difference)]
        if lines:
            yield f"@@ {name} @@"
            yield from lines


def _infrastructure(applied: AppliedPlan | None) -> dict[str, Any]:
    """The last applied plan: counts as Terraform shows them, and resources by address."""
    if applied is None:
        return {}
    summary, module = applied.summary, applied.module
    groups = {
        "created": summary.created,
        "changed": summary.updated,
        "replaced": summary.replaced,
        "destroyed": summary.destroyed,
    }
    plan = {
        "add": len(summary.created) + len(summary.replaced),
        "change": len(summary.updated),
        "destroy": len(summary.destructive),
        "resources": {name: list(addresses) for name, addresses in groups.items() if addresses},
    }
    pinned = {"repository": module.repository, "ref": module.ref, "commit": module.commit} if module else None
    return {"infrastructure": {"plan": plan, **({"module": pinned} if pinned else {})}}


def _without_values(manifest: Manifest, generated: Mapping[str, str]) -> Any:
    copy = dict(manifest)
    if manifest["kind"] == "Secret":
        for field in _SECRET_FIELDS:
            if copy.get(field):
                copy[field] = dict.fromkeys(copy[field], _WITHHELD)
        metadata = {name: value for name, value in copy["metadata"].items() if name != "annotations"}
        copy["metadata"] = metadata
    return _replaced(copy, generated)


def _replaced(value: Any, generated: Mapping[str, str]) -> Any:
    """The value with a text in place of each placeholder of a generated value, and of the value itself."""
    if isinstance(value, Mapping):
        return {name: _replaced(item, generated) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, generated) for item in value]
    if isinstance(value, str):
        for placeholder, text in generated.items():
            value = value.replace(placeholder, _GENERATED)
            value = value.replace(text, _GENERATED) if text else value
    return value


def _by_name(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{item['kind']}/{item['metadata']['name']}": _unmarked(item) for item in objects}


def _unmarked(value: Any) -> Any:
    """Without namespace, and without labels and annotations of Greenroom."""
    if isinstance(value, Mapping):
        return {
            name: _unmarked(item)
            for name, item in value.items()
            if not str(name).startswith(_OWN) and name != "namespace"
        }
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _lines(subject: str, difference: Difference) -> Iterator[str]:
    path = path_text(difference.path) or "the object"
    for sign, value in (("-", difference.expected), ("+", difference.actual)):
        if value is not MISSING:
            whole = not difference.path and bool(subject)
            yield f"{sign}{path}" if whole else f"{sign}{path}: {value}"
