"""References of pods to objects that neither the manifests nor Greenroom create."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.made_secrets import SYNCED_BY, made_name
from bot.cluster.names import is_reserved_name, object_name
from bot.cluster.node import Node
from bot.cluster.pod_templates import claims, pod_template, references
from bot.cluster.render.transforms.base import Context, Object
from bot.model.notes import Effect, Note

_MISSING = "pods or accounts refer to it, and neither the manifests nor Greenroom create it"
_BY_KUBERNETES = frozenset(("ServiceAccount/default", "ConfigMap/kube-root-ca.crt"))


def name_missing(objects: Sequence[Object], _: Context) -> tuple[list[Object], list[Note]]:
    """Names ConfigMaps, Secrets, accounts and claims that are referred to and that nothing creates."""
    made = {f"Secret/{made_name(manifest)}" for manifest in objects if manifest["kind"] in SYNCED_BY}
    existing = {object_name(manifest) for manifest in objects} | made | _BY_KUBERNETES
    referenced = (
        f"{kind}/{name}"
        for manifest in objects
        for kind, name in _references(manifest)
        if name and not is_reserved_name(name)
    )
    missing = [name for name in dict.fromkeys(referenced) if name not in existing]
    return list(objects), [Note(Effect.MISSING, name, _MISSING) for name in missing]


def _references(manifest: Object) -> Iterator[tuple[str, str]]:
    if manifest["kind"] == "ServiceAccount":
        yield from _pull_secrets(manifest)
    template = pod_template(manifest)
    if template is None:
        return
    spec = template["spec"]
    yield "ServiceAccount", spec.get("serviceAccountName") or ""
    yield from _pull_secrets(spec)
    yield from (("PersistentVolumeClaim", name) for name in claims(manifest))
    yield from references(Node(template), required=True)


def _pull_secrets(holder: Object) -> Iterator[tuple[str, str]]:
    """The pull secrets of a pod or of an account."""
    yield from (("Secret", secret.get("name") or "") for secret in holder.get("imagePullSecrets") or [])
