"""Rules for applications that read secrets themselves: the operator allows each way for a repository."""

from __future__ import annotations

from bot.cluster.guard.decisions import Outcome, Refuse, Scope
from bot.cluster.node import Node
from bot.cluster.policy import CSI
from bot.settings.values import AUDIENCE

VAULT_AGENT = "vault.hashicorp.com/"
"""Prefix of the annotations of the Vault agent injector."""
_CSI_DRIVER = "secrets-store.csi.k8s.io"


def _unless_granted(scope: Scope, way: str, reason: str) -> Refuse | None:
    if way in scope.runtime:
        return None
    if scope.policy.for_fork:
        return Refuse(f"{reason}; environments of forks get no secrets")
    ask = f"ask the operator to allow it for this repository with `GREENROOM_RUNTIME_SECRETS` (`{way}`)"
    return Refuse(f"{reason}; {ask}")


def agent_outcome(scope: Scope) -> Outcome:
    """For an annotation of the Vault agent injector."""
    return _unless_granted(scope, "vault-agent", "the Vault agent injector reads secrets for the pod")


def csi_volume(node: Node, scope: Scope) -> Outcome:
    """For a volume of a CSI driver: only that of the Secrets Store, which reads secrets for the pod."""
    if node["driver"].value != _CSI_DRIVER:
        return Refuse(f"this volume type is not allowed, except for the driver `{_CSI_DRIVER}`")
    if node["nodePublishSecretRef"].value is not None:
        return Refuse("the driver must not read Secrets of the environment; remove `nodePublishSecretRef`")
    return _unless_granted(scope, CSI, "the Secrets Store CSI driver reads secrets for the pod")


def csi_class(scope: Scope) -> Refuse | None:
    """For an object that names the secrets of such a volume."""
    return _unless_granted(scope, CSI, "the Secrets Store CSI driver reads secrets for pods")


def token_audience(node: Node, scope: Scope) -> Outcome:
    """For the audience of an account token: others than Kubernetes accept the token as a login."""
    audience = node.text()
    if not audience:
        return None
    return _unless_granted(scope, f"{AUDIENCE}{audience}", "other services accept this token")
