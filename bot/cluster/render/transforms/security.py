"""Security contexts: only what the Pod Security Standard of the environment requires."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.render.transforms.base import Context, Object, created
from bot.model.notes import Note


def confine_pods(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Completes security contexts where `restricted` requires it, and mounts no tokens without rights."""
    for manifest in objects:
        template = pod_template(manifest)
        if template is not None:
            if context.policy.restricted:
                _restrict(template["spec"])
                for container in containers(template):
                    _restrict_container(container)
            if template["spec"].get("serviceAccountName", "default") == "default":
                # Another account has rights from the manifests and needs its token to use them.
                template["spec"].setdefault("automountServiceAccountToken", False)
    return list(objects), []


def _restrict(spec: Object) -> None:
    security = created(spec, "securityContext")
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    security.setdefault("runAsNonRoot", True)


def _restrict_container(container: Object) -> None:
    security = created(container, "securityContext")
    security.setdefault("allowPrivilegeEscalation", False)
    created(security, "capabilities").setdefault("drop", ["ALL"])
