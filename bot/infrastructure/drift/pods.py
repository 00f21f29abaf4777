"""Compares running pods with the templates that they were made from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.fields import path_text
from bot.infrastructure.drift.ownership import creator, owner_of, owners
from bot.model.drift import DriftKind, Finding
from bot.model.manifest import Manifest

_GROUPS = ("initContainers", "containers", "ephemeralContainers")
_ENDED = frozenset(("Succeeded", "Failed"))
_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}


def pod_findings(
    declared: Sequence[Manifest],
    live: Sequence[Manifest],
    added: Sequence[Manifest],
    exceptions: Exceptions,
    revision: str,
) -> Iterator[Finding]:
    """Containers that a running pod has besides those of its template, and pods of no declared template.

    `revision` is the annotation that identifies the template; `added`: objects that are reported already.
    """
    templates = _containers_by_revision((*declared, *live), revision)
    expected = _containers_by_revision(declared, revision)
    workloads = tuple(manifest["metadata"]["name"] for manifest in added if manifest["kind"] == "Deployment")
    for pod in live:
        owner = controller_of(pod)
        if pod["kind"] != "Pod" or owner is None or _has_ended(pod):
            continue
        of_template = (pod["metadata"].get("annotations") or {}).get(revision, "")
        if of_template in expected:
            yield from _added_containers(pod, templates[of_template], exceptions)
        elif owner[0] not in _TEMPLATES and not owner[1].startswith(tuple(f"{name}-" for name in workloads)):
            # ReplicaSets and DaemonSets are not listed: their pods show them.
            manager, at = creator(pod, owners(pod))
            yield Finding(DriftKind.ADDED_OBJECT, f"Pod/{pod['metadata']['name']}", manager=manager, at=at)


def _added_containers(pod: Manifest, expected: frozenset[str], exceptions: Exceptions) -> Iterator[Finding]:
    managers = owners(pod)
    for group in _GROUPS:
        for container in pod["spec"].get(group) or []:
            path = ("spec", group, f"[{container['name']}]")
            if container["name"] in expected or exceptions.allow_field("Pod", path):
                continue
            owner = owner_of(path, managers, "")
            yield Finding(
                DriftKind.ADDED_FIELD,
                f"Pod/{pod['metadata']['name']}",
                path_text(path),
                manager=owner.manager if owner is not None else "",
                at=owner.at if owner is not None else None,
            )


def _containers_by_revision(objects: Sequence[Manifest], revision: str) -> dict[str, frozenset[str]]:
    """The names of all containers of the templates of a revision."""
    names: dict[str, frozenset[str]] = {}
    for manifest in objects:
        template = _template(manifest)
        identity = (((template or {}).get("metadata") or {}).get("annotations") or {}).get(revision)
        if template is not None and identity:
            spec = template["spec"]
            own = {entry["name"] for group in _GROUPS for entry in spec.get(group) or []}
            names[identity] = names.get(identity, frozenset()) | own
    return names


def _template(manifest: Manifest) -> Any:
    template: Any = manifest if manifest["kind"] in _TEMPLATES else None
    for name in _TEMPLATES.get(manifest["kind"], ()):
        template = (template or {}).get(name)
    return template


def controller_of(manifest: Manifest) -> tuple[str, str] | None:
    """Kind and name of the controller that made an object; None for an object without one."""
    references = manifest["metadata"].get("ownerReferences") or []
    return next(((entry["kind"], entry["name"]) for entry in references if entry.get("controller")), None)


def _has_ended(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in _ENDED
