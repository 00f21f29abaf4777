"""ServiceAccounts and their rights: bound inside the environment, and withheld from forks."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.names import object_name
from bot.cluster.pod_templates import pod_template
from bot.cluster.render.transforms.base import Context, Object
from bot.model.errors import ManifestRefused
from bot.model.notes import Effect, Note

_ACCOUNT_KINDS = frozenset(("ServiceAccount", "Role", "RoleBinding"))
_FORK = "a fork gets no service accounts"


def bind_accounts(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Sets the namespace of the subjects of RoleBindings, which Kubernetes requires."""
    for manifest in objects:
        for subject in manifest.get("subjects") or []:
            subject["namespace"] = context.request.namespace
    return list(objects), []


def withhold_accounts(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Removes accounts and their rights for a fork, and disables tokens in all pods.

    A cloud may identify an account by its name or annotations, so accounts of the manifests are unsafe, too.
    Raises ManifestRefused for a pod that mounts a token.
    """
    if not context.request.fork:
        return list(objects), []
    kept = [manifest for manifest in objects if manifest["kind"] not in _ACCOUNT_KINDS]
    for manifest in kept:
        template = pod_template(manifest)
        if template is not None:
            _remove_account(manifest, template["spec"])
    removed = sorted(object_name(manifest) for manifest in objects if manifest["kind"] in _ACCOUNT_KINDS)
    return kept, [Note(Effect.LEFT_OUT, name, _FORK) for name in removed]


def _remove_account(manifest: Object, spec: Object) -> None:
    for volume in spec.get("volumes") or []:
        sources = (volume.get("projected") or {}).get("sources") or []
        if any(source.get("serviceAccountToken") for source in sources):
            raise ManifestRefused(
                f"{object_name(manifest)}: volume {volume.get('name')} mounts a token of a ServiceAccount, "
                "which is not allowed for a fork."
            )
    for field in ("serviceAccountName", "serviceAccount"):
        spec.pop(field, None)
    spec["automountServiceAccountToken"] = False
