"""The guard: decides on all objects of a commit before anything is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.guard.custom_kinds import allowed_kind, clean_custom
from bot.cluster.guard.decisions import Scope
from bot.cluster.guard.disruption import blocking_budgets, evicting
from bot.cluster.guard.kind_fields import TYPES
from bot.cluster.guard.made_secrets import operator_findings
from bot.cluster.guard.objects import kind_finding, name_findings
from bot.cluster.guard.references import reference_findings
from bot.cluster.guard.roles import binding_findings, divided_rules, role_findings
from bot.cluster.guard.route_fields import ROUTE_TYPES
from bot.cluster.guard.selectors import labels_of, selected_labels
from bot.cluster.guard.walk import Change, Walk
from bot.cluster.manifests import Source
from bot.cluster.names import object_name
from bot.cluster.node import Finding, InvalidShape, Node, shortened
from bot.cluster.pod_templates import POD_TEMPLATES, references
from bot.cluster.policy import ClusterPolicy
from bot.config.documents import Path
from bot.model.errors import ManifestsRefused
from bot.model.image_reference import is_image_name
from bot.model.notes import Effect, Note
from bot.model.repository import Repository

_MAX_FINDINGS = 50
"""Refusals of one object."""
_MAX_NAMES = 5
"""Objects that the message about a repeated mistake names."""
_MAX_NOTES = 300
"""Changes that the notes list."""
_LONGEST_NAME = 253
_LONGEST_FIELD = 500
_LONGEST_REASON = 700
_NO_IMAGE = (
    "this is not the name of an image; complete it, or give it as `name` to one of `images` in "
    "`.greenroom.yml` if CI completes it"
)

_TYPES = {**TYPES, **ROUTE_TYPES}

Object = dict[str, Any]
_Refusal = tuple[Source, Finding]


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the guard lets through: the objects without removed fields, and the notes."""

    manifests: list[Object]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Context:
    """Values that the checks of one object need from the others."""

    scope: Scope
    secrets: Collection[str]
    roles: Collection[str]
    stores: Collection[str] = ()


def check(
    sources: Sequence[Source],
    namespace: str,
    policy: ClusterPolicy,
    repository: Repository | None = None,
    *,
    of_stage: bool = False,
) -> Guarded:
    """Raises ManifestsRefused with one line for each mistake, unless all objects are allowed."""
    runtime = policy.runtime_of(repository) if repository is not None else ()
    stores = policy.stores_of(repository) if repository is not None else ()
    scope = Scope(namespace, policy, runtime, of_stage)
    context = _Context(scope, _names(sources, "Secret"), _names(sources, "Role"), stores)
    refused: list[_Refusal] = []
    manifests: list[tuple[Source, Object]] = []
    notes: list[Note] = []
    changed = 0
    for source in sources:
        manifest, walk = _clean(source, scope)
        findings = itertools.chain(walk.refused, _structure_findings(source, manifest, context))
        # The checks of fields and of the structure can find the same mistake.
        unique = dict.fromkeys(itertools.islice(findings, _MAX_FINDINGS))
        refused += [(source, finding) for finding in unique]
        notes += [_note(source, change) for change in walk.changed[: _MAX_NOTES - len(notes)]]
        changed += len(walk.changed)
        manifests.append((source, manifest))
    refused += _duplicates(sources)
    if not refused:
        refused += _removed_labels(manifests)
    if refused:
        raise ManifestsRefused(_mistakes(refused))
    if changed > len(notes):
        reason = f"the notes list only the first {len(notes)} changes"
        notes.append(Note(Effect.LEFT_OUT, f"{changed - len(notes)} more fields", reason))
    return _with_safe_budgets([manifest for _, manifest in manifests], notes)


def _clean(source: Source, scope: Scope) -> tuple[Object, Walk]:
    walk = Walk(_TYPES, scope)
    manifest = Node(source.manifest)
    try:
        if allowed_kind(source.manifest, scope.policy) is not None:
            return clean_custom(manifest, walk), walk
        refused = kind_finding(manifest)
        if refused is None:
            cleaned = walk.clean(manifest, source.manifest["kind"])
            if source.manifest["kind"] == "Role" and cleaned.get("rules"):
                cleaned["rules"] = divided_rules(Node(cleaned), walk)
            return cleaned, walk
        walk.refused.append(refused)
    except InvalidShape as error:
        walk.refused.append(error.finding)
    return {}, walk


def _structure_findings(source: Source, cleaned: Object, context: _Context) -> Iterator[Finding]:
    """What concerns several fields or several objects."""
    if not cleaned:
        return
    kind = source.manifest["kind"]
    manifest = Node(source.manifest)
    try:
        yield from name_findings(manifest)
        yield from reference_findings(manifest)
        yield from operator_findings(manifest, context.stores, context.scope)
        if (check_kind := _CHECKS_BY_KIND.get(kind)) is not None:
            yield from check_kind(manifest, context)
        if kind in POD_TEMPLATES:
            yield from _template_findings(manifest.at(*POD_TEMPLATES[kind]))
    except InvalidShape as error:
        yield error.finding


def _template_findings(template: Node) -> Iterator[Finding]:
    if not any(True for _ in template.at("spec", "containers").items()):
        yield template.at("spec", "containers").finding("a pod requires at least one container")
    for group in ("initContainers", "containers"):
        for container in template.at("spec", group).items():
            if not container["image"].text():
                yield container["image"].finding("a container requires an image")
            elif not is_image_name(container["image"].text()):
                yield container["image"].finding(_NO_IMAGE)
    for _ in references(template):
        # The iteration raises InvalidShape for values that the transforms cannot read.
        pass


def _service(manifest: Node, _: _Context) -> Iterator[Finding]:
    if not manifest["spec"]:
        yield manifest["spec"].finding("a Service requires a `spec`")


_CHECKS_BY_KIND: Mapping[str, Callable[[Node, _Context], Iterator[Finding]]] = {
    "Role": lambda manifest, context: role_findings(manifest, context.secrets),
    "RoleBinding": lambda manifest, context: binding_findings(
        manifest, context.scope.namespace, context.roles
    ),
    "Service": _service,
}


def _removed_labels(manifests: Sequence[tuple[Source, Object]]) -> Iterator[_Refusal]:
    """Selectors of labels that were removed: they would select nothing."""
    kept = {label for _, manifest in manifests for label in labels_of(manifest)}
    removed = {label for source, _ in manifests for label in labels_of(source.manifest)} - kept
    for source, manifest in manifests:
        for path, label in selected_labels(manifest):
            if label in removed:
                reason = (
                    f"it selects by the label `{label}`, which is removed because other controllers may act "
                    "on it; use another label, or ask the operator to add it to "
                    "`GREENROOM_ALLOWED_ANNOTATIONS`"
                )
                yield source, Finding(path, reason)


def _with_safe_budgets(manifests: list[Object], notes: list[Note]) -> Guarded:
    """Removes budgets that block the maintenance of nodes; the others must not protect pods that fail."""
    reasons = {object_name(budget): reason for budget, reason in blocking_budgets(manifests)}
    notes += [Note(Effect.LEFT_OUT, name, reason) for name, reason in reasons.items()]
    kept = [evicting(manifest) for manifest in manifests if object_name(manifest) not in reasons]
    return Guarded(kept, tuple(notes))


def _names(sources: Sequence[Source], kind: str) -> frozenset[str]:
    return frozenset(_name(source) for source in sources if source.manifest["kind"] == kind)


def _name(source: Source) -> str:
    metadata = source.manifest.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else ""


def _duplicates(sources: Sequence[Source]) -> Iterator[_Refusal]:
    first: dict[tuple[str, str], Source] = {}
    for source in sources:
        key = (source.manifest["kind"], _name(source))
        earlier = first.setdefault(key, source)
        if earlier is not source:
            reason = f"the object is already defined in {earlier.where()}; remove one of them"
            yield source, Finding(("metadata", "name"), reason)


def _note(source: Source, change: Change) -> Note:
    effect = Effect.LEFT_OUT if change.value is None else Effect.REWRITTEN
    value = "" if change.value is None else str(change.value)
    return Note(effect, _subject(source), change.finding.reason, field_text(change.finding.path), value)


def _mistakes(refused: Sequence[_Refusal]) -> list[str]:
    """One message for each mistake: refusals for the same reason of the same field, whatever its index."""
    groups: dict[object, list[_Refusal]] = {}
    for source, finding in refused:
        field = tuple(part for part in finding.path if isinstance(part, str))
        groups.setdefault((field, finding.reason), []).append((source, finding))
    return [message(*group[0]) + _repetitions(group) for group in groups.values()]


def _repetitions(group: Sequence[_Refusal]) -> str:
    """The number and the names of further objects with the same mistake."""
    others = list(dict.fromkeys(_subject(source) for source, _ in group))[1:]
    if len(group) == 1:
        return ""
    shown = ", ".join([*others[:_MAX_NAMES], *["…"] * (len(others) > _MAX_NAMES)])
    places = f"{len(group) - 1} more place{'s' * (len(group) > 2)}"
    return f" The same mistake is in {places}{f': {shown}' if shown else ''}."


def message(source: Source, finding: Finding) -> str:
    """A refusal with file, line, object and field."""
    field = field_text(finding.path) or "the object"
    reason = shortened(finding.reason, _LONGEST_REASON)
    return f"{source.where(finding.path)}, {_subject(source)}, {field}: {reason}."


def _subject(source: Source) -> str:
    kind, name = source.manifest["kind"], _name(source) or "(unnamed)"
    return f"{shortened(kind, _LONGEST_NAME)}/{shortened(name, _LONGEST_NAME)}"


def field_text(path: Path) -> str:
    """A path as `spec.rules[0].host`."""
    field = ""
    for part in path:
        if isinstance(part, int):
            field += f"[{part}]"
        elif "." in part or "/" in part:
            field += f'["{part}"]'
        else:
            field += f".{part}" if field else part
    return shortened(field, _LONGEST_FIELD)
