"""Compares one live object with the declared one. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.infrastructure.drift.display import shown
from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.fields import (
    MISSING,
    Difference,
    Path,
    differences,
    has_keys,
    lookup,
    members,
    path_text,
)
from bot.infrastructure.drift.ownership import Owner, creator, owner_of, owners
from bot.model.drift import DriftKind, Finding
from bot.model.manifest import Manifest

_SERVER_SIDE = frozenset(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    )
)
"""Fields of the metadata that the API server writes."""
_NEVER_DEFAULTED = frozenset(
    (
        "annotations",
        "binaryData",
        "containers",
        "data",
        "env",
        "envFrom",
        "hostAliases",
        "imagePullSecrets",
        "initContainers",
        "labels",
        "matchLabels",
        "nodeSelector",
        "selector",
        "volumeMounts",
        "volumes",
    )
)
"""Lists and mappings to which defaults add nothing: what is not declared was added."""
_PLAIN_KINDS = frozenset(("ConfigMap", "Namespace", "Secret"))
"""Kinds whose fields are texts that the API server stores as they are."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a comparison depends on besides the objects."""

    manager: str
    """The field manager of our own writes."""
    revision: str
    """The annotation of pods that identifies their template."""
    digest_key: bytes = field(repr=False)
    exceptions: Exceptions


def object_name(manifest: Manifest) -> str:
    """Kind and name, such as `Deployment/shop`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def comparable(manifest: Manifest, key: bytes) -> dict[str, Any]:
    """The object without status and fields of the API server, and with digests of a Secret's values."""
    bare = {name: value for name, value in manifest.items() if name != "status"}
    bare["metadata"] = {
        name: value for name, value in manifest["metadata"].items() if name not in _SERVER_SIDE and value
    }
    if manifest["kind"] == "Secret":
        texts = {
            name: base64.b64encode(str(value).encode()).decode()
            for name, value in (bare.pop("stringData", None) or {}).items()
        }
        values = {**(bare.pop("data", None) or {}), **texts}
        bare["data"] = {name: _keyed_digest(key, value) for name, value in values.items()}
        annotations = bare["metadata"].get("annotations") or {}
        if annotations:
            # `kubectl apply` repeats the values in an annotation.
            bare["metadata"]["annotations"] = {
                name: _keyed_digest(key, value) for name, value in annotations.items()
            }
    return bare


def fingerprint(manifest: Manifest, key: bytes) -> str:
    """Identifies the content of an object, without its status and what its controllers note in metadata."""
    text = json.dumps([comparable(manifest, key), manifest["metadata"].get("uid")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def needs_dry_run(declared: Manifest, live: Manifest, rules: Rules) -> bool:
    """Whether declared fields differ in a way that may be only another notation, such as `1` for `1000m`.

    The API server answers that, by a dry run of the write.
    """
    if declared["kind"] in _PLAIN_KINDS:
        return False
    left, right = (comparable(manifest, rules.digest_key) for manifest in (declared, live))
    return any(True for _ in differences(left, right, declared_only=True))


def compare_object(
    declared: Manifest,
    live: Manifest,
    rules: Rules,
    *,
    applied: Manifest | None = None,
    defaults: Collection[Path] = (),
    is_autoscaled: bool = False,
) -> list[Finding]:
    """The findings for a live object.

    `applied`: the object as the API server would store it after the write; None if it is not known, or if
    the declared fields are equal as they are. `defaults`: undeclared fields that have their default values.
    """
    left, right = (comparable(manifest, rules.digest_key) for manifest in (declared, live))
    changed = _changed(left, right, comparable(applied, rules.digest_key) if applied is not None else None)
    managers = owners(live)
    added = [
        path
        for path in _added(left, right, managers)
        if path not in defaults and not _inside_any(path, changed)
    ]
    kind, subject = declared["kind"], object_name(declared)

    def finding(sort: DriftKind, difference: Difference) -> Finding:
        path = difference.path
        owner = owner_of(path, managers, rules.manager)
        foreign = owner if owner is not None and owner.manager != rules.manager else None
        if sort is DriftKind.CHANGED and difference.actual is MISSING:
            foreign = None  # the one who removed a field owns nothing of it
        return Finding(
            sort,
            subject,
            path_text(path),
            shown(kind, path, difference.expected),
            shown(kind, path, difference.actual),
            foreign.manager if foreign is not None else "",
            foreign.at if foreign is not None else None,
        )

    results = [finding(DriftKind.CHANGED, difference) for difference in changed]
    results += [
        finding(DriftKind.ADDED_FIELD, Difference(path, MISSING, lookup(right, path))) for path in added
    ]
    paths = [difference.path for difference in changed] + added
    return [
        result
        for result, path in zip(results, paths, strict=True)
        if not rules.exceptions.allow_field(kind, path)
        and not (is_autoscaled and path == ("spec", "replicas"))
    ]


def undeclared_paths(declared: Manifest, live: Manifest, rules: Rules) -> list[Path]:
    """The fields that a live object has besides the declared ones and their defaults."""
    left, right = (comparable(manifest, rules.digest_key) for manifest in (declared, live))
    added = _added(left, right, owners(live))
    return [path for path in added if not rules.exceptions.allow_field(declared["kind"], path)]


def may_be_default(declared: Manifest, path: Path) -> bool:
    """Whether an undeclared field may have its default value; an item of a list or a label never has."""
    is_item = path[-1].startswith("[") or (len(path) > 1 and path[-2] in _NEVER_DEFAULTED)
    return declared["kind"] not in _PLAIN_KINDS and not is_item


def default_paths(
    paths: Collection[Path], live: Manifest, defaulted: Manifest, rules: Rules
) -> frozenset[Path]:
    """The paths at which the live object has the value of an object that was just created."""
    left, right = (comparable(manifest, rules.digest_key) for manifest in (defaulted, live))
    return frozenset(path for path in paths if lookup(left, path) == lookup(right, path))


def ownership_is_recorded(live: Manifest, manager: str) -> bool:
    """Whether the object records fields of ours; without that, added fields cannot be recognised."""
    entries = live["metadata"].get("managedFields") or []
    return any(entry.get("manager") == manager for entry in entries)


def removed_object(declared: Manifest) -> Finding:
    return Finding(DriftKind.REMOVED, object_name(declared))


def added_object(live: Manifest) -> Finding:
    manager, at = creator(live, owners(live))
    return Finding(DriftKind.ADDED_OBJECT, object_name(live), manager=manager, at=at)


def _changed(
    declared: Mapping[str, Any], live: Mapping[str, Any], applied: Mapping[str, Any] | None
) -> list[Difference]:
    """Differences of declared fields, as the API server would write them if that is known.

    What the write would remove was written under the name of our field manager.
    """
    if applied is None:
        return list(differences(declared, live, declared_only=True))
    return [
        Difference(change.path, change.expected, change.actual)
        for change in differences(applied, live)
        if change.path[:2] != ("metadata", "namespace")
    ]


def _added(declared: Mapping[str, Any], live: Mapping[str, Any], managers: Sequence[Owner]) -> list[Path]:
    """Paths that were written and are not declared, each once at its topmost item."""
    written = {
        top
        for owner in managers
        for path in owner.paths
        if (top := _topmost_item(path, declared)) is not None and top[0] != "status"
    }
    paths = written | set(_undeclared_members(declared, live))
    return sorted(path for path in paths if not any(path[:end] in paths for end in range(1, len(path))))


def _topmost_item(path: Path, declared: Mapping[str, Any]) -> Path | None:
    """The first item of a list on the path that is not declared, or the path; None if it is declared."""
    if lookup(declared, path) is not MISSING:
        return None
    for end in range(1, len(path)):
        if path[end - 1].startswith("[") and lookup(declared, path[:end]) is MISSING:
            return path[:end]
        inside = lookup(declared, path[:end])
        if inside is not MISSING and members(inside, path[:end]) is None and not isinstance(inside, list):
            return path[:end]
        if isinstance(inside, list) and not has_keys(inside, path[:end]):
            return None  # a list without keys is compared as a whole
    return path


def _undeclared_members(declared: Any, live: Any, path: Path = ()) -> Iterator[Path]:
    left, right = members(declared, path), members(live, path)
    if right is None or not isinstance(declared, Mapping | list):
        return
    for name, value in right.items():
        here = (*path, name)
        if left is None or name not in left:
            if _cannot_be_default(declared, live, path):
                yield here
            elif name in _NEVER_DEFAULTED and isinstance(value, Mapping | list) and value:
                yield from ((*here, inner) for inner in members(value, here) or {})
        else:
            yield from _undeclared_members(left[name], value, here)


def _cannot_be_default(declared: Any, live: Any, path: Path) -> bool:
    if not path:
        return False
    if isinstance(live, list):
        return has_keys(live, path) and (path[-1] in _NEVER_DEFAULTED or has_keys(declared, path))
    return path[-1] in _NEVER_DEFAULTED


def _inside_any(path: Path, changed: Sequence[Difference]) -> bool:
    return any(
        path[: len(change.path)] == change.path or change.path[: len(path)] == path for change in changed
    )


def _keyed_digest(key: bytes, value: Any) -> str:
    return hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()
