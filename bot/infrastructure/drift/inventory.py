"""Compares the objects of a namespace with those that the deployment declares. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.infrastructure.drift.fields import Path
from bot.infrastructure.drift.objects import (
    Rules,
    added_object,
    compare_object,
    object_name,
    ownership_is_recorded,
    removed_object,
)
from bot.infrastructure.drift.pods import controller_of, pod_findings
from bot.model.drift import Comparison, DriftKind, Finding, Unreadable
from bot.model.manifest import Manifest, RunningContainer

ObjectName = tuple[str, str]
"""Kind and name of an object."""

_ORDER = (
    DriftKind.REMOVED,
    DriftKind.ADDED_OBJECT,
    DriftKind.IMAGE,
    DriftKind.CHANGED,
    DriftKind.ADDED_FIELD,
)
_DATA_JOB = re.compile(r"greenroom-(?:seed|migrations)-[0-9a-z-]+")


@dataclass(frozen=True, slots=True)
class Declared:
    """What the last successful deployment applied."""

    objects: tuple[Manifest, ...] = field(repr=False)
    """The objects that must exist, as they were applied."""
    others: frozenset[ObjectName] = frozenset()
    """Objects of ours that come and go, such as Jobs of checks and hooks."""

    @property
    def by_name(self) -> Mapping[ObjectName, Manifest]:
        return {name_of(manifest): manifest for manifest in self.objects}


@dataclass(frozen=True, slots=True)
class Live:
    """The objects of the namespace, and the namespace itself."""

    objects: tuple[Manifest, ...] = field(repr=False)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Kinds that could not be listed, with the reason."""
    running: tuple[RunningContainer, ...] = ()
    """The containers of pods that run or start."""
    custom: frozenset[str] = frozenset()
    """Kinds that are not built into Kubernetes: their controllers create objects."""

    @property
    def by_name(self) -> Mapping[ObjectName, Manifest]:
        return {name_of(manifest): manifest for manifest in self.objects}


@dataclass(frozen=True, slots=True)
class DryRun:
    """What the API server answered to a dry run of a write."""

    applied: Manifest | None = field(default=None, repr=False)
    problem: str = ""
    """Why it answered with no object; "" if a field is immutable, which proves that it differs."""
    defaults: frozenset[Path] = frozenset()
    """Fields that are not declared and have their default values."""


def name_of(manifest: Manifest) -> ObjectName:
    return manifest["kind"], manifest["metadata"]["name"]


def compare_namespace(
    declared: Declared, live: Live, dry_runs: Mapping[ObjectName, DryRun], rules: Rules
) -> Comparison:
    """All findings, and everything that could not be compared. Objects that are being deleted are absent.

    `dry_runs`: for the objects that need one.
    """
    present = {
        name: manifest
        for name, manifest in live.by_name.items()
        if not manifest["metadata"].get("deletionTimestamp")
    }
    findings: list[Finding] = []
    unreadable = [Unreadable(kind, problem) for kind, problem in sorted(live.unreadable.items())]
    autoscaled = _autoscaled((*declared.objects, *live.objects))
    for name, manifest in declared.by_name.items():
        actual = present.get(name)
        if actual is None:
            if name[0] not in live.unreadable and not _may_end(manifest):
                findings.append(removed_object(manifest))
            continue
        dry_run = dry_runs.get(name, DryRun())
        if dry_run.problem:
            unreadable.append(Unreadable(object_name(manifest), dry_run.problem))
            continue
        changes = compare_object(
            manifest,
            actual,
            rules,
            applied=dry_run.applied,
            defaults=dry_run.defaults,
            is_autoscaled=name in autoscaled,
        )
        findings += changes
        if not changes and not ownership_is_recorded(actual, rules.manager):
            unreadable.append(Unreadable(object_name(manifest), "it does not record who wrote its fields"))
    added = [
        manifest
        for name, manifest in present.items()
        if _is_added(name, manifest, declared, present, live.custom, rules)
    ]
    findings += [added_object(manifest) for manifest in added]
    findings += pod_findings(
        declared.objects, tuple(present.values()), added, rules.exceptions, rules.revision
    )
    return Comparison(tuple(_distinct(findings)), tuple(unreadable))


def _is_added(
    name: ObjectName,
    manifest: Manifest,
    declared: Declared,
    present: Mapping[ObjectName, Manifest],
    custom: Collection[str],
    rules: Rules,
) -> bool:
    if name in declared.by_name or name in declared.others or rules.exceptions.allow_object(*name):
        return False
    kind, text = name
    if kind == "Job" and _DATA_JOB.fullmatch(text) and ownership_is_recorded(manifest, rules.manager):
        return False
    if kind == "PersistentVolumeClaim" and _is_of_template(text, declared.objects):
        return False
    owner = controller_of(manifest)
    if owner is not None and owner[0] in custom and owner in declared.by_name:
        return False
    # A pod of a controller is compared with its template; see pod_findings.
    if kind == "Pod" and owner is not None:
        return False
    return not (kind == "Job" and owner is not None and owner[0] == "CronJob" and owner in present)


def _is_of_template(name: str, objects: Sequence[Manifest]) -> bool:
    """Whether a volume claim has the name that a StatefulSet's controller gives it."""
    return any(
        re.fullmatch(rf"{re.escape(prefix)}-[0-9]+", name) is not None
        for manifest in objects
        if manifest["kind"] == "StatefulSet"
        for template in manifest["spec"].get("volumeClaimTemplates") or []
        if (prefix := f"{template['metadata']['name']}-{manifest['metadata']['name']}")
    )


def _autoscaled(objects: Sequence[Manifest]) -> Collection[ObjectName]:
    targets = (
        manifest["spec"].get("scaleTargetRef") or {}
        for manifest in objects
        if manifest["kind"] == "HorizontalPodAutoscaler"
    )
    return {(target.get("kind", ""), target.get("name", "")) for target in targets}


def _may_end(manifest: Manifest) -> bool:
    """Whether Kubernetes deletes the object itself: a Job with a time to live."""
    return manifest["kind"] == "Job" and "ttlSecondsAfterFinished" in (manifest.get("spec") or {})


def _distinct(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The distinct findings in a stable order: whole objects first."""
    seen = {finding.identity: finding for finding in reversed(findings)}
    order = [
        DriftKind.REMOVED,
        DriftKind.ADDED_OBJECT,
        DriftKind.IMAGE,
        DriftKind.CHANGED,
        DriftKind.ADDED_FIELD,
    ]
    yield from sorted(
        seen.values(), key=lambda finding: (order.index(finding.kind), finding.object, finding.path)
    )
