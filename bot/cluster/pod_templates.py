"""Pod templates of workload kinds, with their containers, claims and references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.cluster.node import Node

POD_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""The path of the pod template by kind."""

CONTAINERS = ("initContainers", "containers")


def pod_template(manifest: Mapping[str, Any]) -> Any:
    """The pod template of a guarded object, the object itself for a Pod; None for other kinds."""
    path = POD_TEMPLATES.get(manifest["kind"])
    if path is None:
        return None
    template: Any = manifest
    for key in path:
        template = template[key]
    return template


def containers(template: Mapping[str, Any]) -> list[Any]:
    """All containers of a pod template, init containers first."""
    return [container for group in CONTAINERS for container in template["spec"].get(group) or []]


def claims(manifest: Mapping[str, Any]) -> list[str]:
    """The names of the volume claims that the pods of an object mount."""
    template = pod_template(manifest) or {}
    volumes = (template.get("spec") or {}).get("volumes") or []
    names = ((volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in volumes)
    return [str(name) for name in names if name]


def references(template: Node, *, required: bool = False) -> Iterator[tuple[str, str]]:
    """Kind and name of the ConfigMaps and Secrets that a pod template uses. Raises InvalidShape.

    `required`: only those without which its pods do not start.
    """
    for source, config_map, secret in _sources(template):
        for kind, (field, key) in (("ConfigMap", config_map), ("Secret", secret)):
            optional = required and source.at(field, "optional").value is True
            if (name := source.at(field, key).text()) and not optional:
                yield kind, name


def _sources(template: Node) -> Iterator[tuple[Node, tuple[str, str], tuple[str, str]]]:
    """Each place of a reference, with the paths of the names of a ConfigMap and of a Secret in it."""
    for group in CONTAINERS:
        for container in template.at("spec", group).items():
            for source in container["envFrom"].items():
                yield source, ("configMapRef", "name"), ("secretRef", "name")
            for variable in container["env"].items():
                yield variable["valueFrom"], ("configMapKeyRef", "name"), ("secretKeyRef", "name")
    for volume in template.at("spec", "volumes").items():
        yield volume, ("configMap", "name"), ("secret", "secretName")
        for source in volume.at("projected", "sources").items():
            yield source, ("configMap", "name"), ("secret", "name")
