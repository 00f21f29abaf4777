"""Security contexts: what the Pod Security Standard of the environment asks for."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.transforms.base import Context, Object, created
from bot.model.notes import Note


def confine_pods(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Completes security contexts, and disables tokens of accounts without rights."""
    for manifest in objects:
        template = pod_template(manifest)
        if template is not None:
            for container in containers(template):
                _confine_container(container, context.policy)
            _confine_pod(template["spec"], context.policy)
    return list(objects), []


def _confine_pod(spec: Object, policy: ClusterPolicy) -> None:
    security = created(spec, "securityContext")
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    if policy.restricted:
        security.setdefault("runAsNonRoot", True)
    if spec.get("serviceAccountName", "default") == "default":
        # Another account has rights from the manifests and needs its token to use them.
        spec.setdefault("automountServiceAccountToken", False)


def _confine_container(container: Object, policy: ClusterPolicy) -> None:
    security = created(container, "securityContext")
    security.setdefault("allowPrivilegeEscalation", False)
    if policy.restricted:
        created(security, "capabilities").setdefault("drop", ["ALL"])
