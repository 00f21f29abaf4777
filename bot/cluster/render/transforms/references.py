"""References of pods to objects that neither the manifests nor Greenroom create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.names import is_reserved_name, object_name
from bot.cluster.pod_templates import claims, containers, pod_template
from bot.cluster.render.transforms.base import Context, Object
from bot.model.notes import Effect, Note

_MISSING = "pods refer to it, and neither the manifests nor Greenroom create it"
_BY_KUBERNETES = frozenset(("ServiceAccount/default", "ConfigMap/kube-root-ca.crt"))


def name_missing(objects: Sequence[Object], _: Context) -> tuple[list[Object], list[Note]]:
    """Names ConfigMaps, Secrets, accounts and claims that pods refer to and that nothing creates."""
    existing = {object_name(manifest) for manifest in objects} | _BY_KUBERNETES
    referenced = (
        f"{kind}/{name}"
        for manifest in objects
        for kind, name in _references(manifest)
        if name and not is_reserved_name(name)
    )
    missing = [name for name in dict.fromkeys(referenced) if name not in existing]
    return list(objects), [Note(Effect.MISSING, name, _MISSING) for name in missing]


def _references(manifest: Object) -> Iterator[tuple[str, str]]:
    template = pod_template(manifest)
    if template is None:
        return
    spec = template["spec"]
    yield "ServiceAccount", spec.get("serviceAccountName") or ""
    yield from (("Secret", secret.get("name") or "") for secret in spec.get("imagePullSecrets") or [])
    yield from (("PersistentVolumeClaim", name) for name in claims(manifest))
    for container in containers(template):
        for source in container.get("envFrom") or []:
            yield from _required(source, "configMapRef", "secretRef")
        for variable in container.get("env") or []:
            yield from _required(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
    for volume in spec.get("volumes") or []:
        for source in (volume, *((volume.get("projected") or {}).get("sources") or [])):
            yield from _required(source, "configMap", "secret")


def _required(source: Mapping[str, Any], config_map: str, secret: str) -> Iterator[tuple[str, str]]:
    for kind, field in (("ConfigMap", config_map), ("Secret", secret)):
        reference = source.get(field) or {}
        if not reference.get("optional"):
            yield kind, reference.get("name") or reference.get("secretName") or ""
