"""Configuration and secrets of the environment: injected into all containers, whose changes restart pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.cluster.external_secrets import external_name
from bot.cluster.names import CONFIG, ENVIRONMENT, JOB, REFRESH, SECRETS, TEMPLATE, digest, object_name
from bot.cluster.node import Node
from bot.cluster.pod_templates import containers, pod_template, references
from bot.cluster.render.texts import PLACEHOLDER
from bot.cluster.render.transforms.base import Context, Object, created
from bot.cluster.render.transforms.sealed_secrets import KIND as SEALED
from bot.cluster.render.variables import is_address
from bot.model.manifest import RenderRequest
from bot.model.notes import Effect, Note

_OVERRIDES = "the value in the manifest takes precedence over the one that Greenroom injects"
_DATA_JOBS = ("migrations", "seed")


def inject_configuration(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Adds the environment's ConfigMap and Secret to `envFrom` of all containers."""
    injected = [{"configMapRef": {"name": CONFIG}}] if context.request.config else []
    if context.request.secrets:
        injected.append({"secretRef": {"name": SECRETS}})
    if context.request.external:
        injected.append({"secretRef": {"name": external_name(context.request.external)}})
    notes: list[Note] = []
    for manifest in objects if injected else ():
        template = pod_template(manifest)
        for container in containers(template) if template is not None else ():
            container["envFrom"] = [*(container.get("envFrom") or []), *injected]
            if JOB not in (manifest["metadata"].get("labels") or {}):
                notes += _overrides(manifest, container, context.request)
    return list(objects), notes


def _overrides(manifest: Object, container: Object, request: RenderRequest) -> Iterator[Note]:
    """The variables that a container sets itself, which take precedence in Kubernetes."""
    for variable in container.get("env") or []:
        if variable.get("name") in request.config:
            yield Note(Effect.KEPT, object_name(manifest), _OVERRIDES, f"env {variable['name']}")


def mark_pods(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Labels pods with the environment, and annotates the digest of template and configuration.

    A changed digest restarts pods, and identifies them.
    """
    request = context.request
    contents = _contents(objects, request)
    for manifest in objects:
        template = pod_template(manifest)
        if template is None:
            continue
        created(created(template, "metadata"), "labels")[ENVIRONMENT] = request.environment.label
        annotations = created(template["metadata"], "annotations")
        if request.refreshes and manifest["kind"] == "Deployment":
            annotations[REFRESH] = str(request.refreshes)
        used = [contents.get(reference) for reference in sorted(set(references(Node(template))))]
        if (manifest["metadata"].get("labels") or {}).get(JOB) in _DATA_JOBS:
            used = [_without_addresses(content) for content in used]
        annotations.pop(TEMPLATE, None)
        for key, value in annotations.items():
            if PLACEHOLDER.fullmatch(str(value)):
                # Often a checksum of configuration, whose changes must restart pods.
                annotations[key] = digest(used)[:16]
        identity = [manifest["kind"], manifest["metadata"]["name"]]
        annotations[TEMPLATE] = digest([identity, template, used])[:16]
    return list(objects), []


def _without_addresses(content: object) -> object:
    """Migrations and seeds do not run again because a route changed."""
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if not is_address(name)}


def _contents(objects: Sequence[Object], request: RenderRequest) -> Mapping[tuple[str, str], object]:
    """The contents of ConfigMaps and Secrets that pods may read, by kind and name."""
    contents: dict[tuple[str, str], object] = {
        ("ConfigMap", CONFIG): dict(request.config),
        ("Secret", SECRETS): request.secrets,
        ("Secret", external_name(request.external)): request.external_values,
    }
    for manifest in objects:
        if manifest["kind"] in ("ConfigMap", "Secret"):
            data = [manifest.get(field) for field in ("data", "binaryData", "stringData")]
            contents[manifest["kind"], manifest["metadata"]["name"]] = data
        elif manifest["kind"] == SEALED:
            contents["Secret", manifest["metadata"]["name"]] = manifest.get("spec")
    return contents
