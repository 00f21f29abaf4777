"""The account that the bot authenticates as, and its rights in an environment's namespace."""

from __future__ import annotations

from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import ROLE_BINDING
from bot.cluster.names import ENVIRONMENT_ROLE, OWN_NAME, own_labels
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected

_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_PREFIX = "system:serviceaccount:"


async def own_account(api: KubernetesApi) -> dict[str, str]:
    """The bot's ServiceAccount as the subject of a RoleBinding. Rejected for any other kind of user."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await api.post(_REVIEWS, review)
    user = str(((answer.get("status") or {}).get("userInfo") or {}).get("username"))
    namespace, colon, name = user.removeprefix(_PREFIX).partition(":")
    if not user.startswith(_PREFIX) or not colon:
        raise Rejected(
            f"Greenroom must use a ServiceAccount in the cluster, but it is the user {user!r}. Run it with "
            "the ServiceAccount of deploy/base/rights.yaml, or set KUBECONFIG to a file with its token."
        )
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def environment_binding(
    namespace: str, environment: EnvironmentKey, account: dict[str, str]
) -> dict[str, Any]:
    """The RoleBinding that gives the bot its rights in the namespace."""
    return {
        "apiVersion": ROLE_BINDING.api_version,
        "kind": ROLE_BINDING.name,
        "metadata": {"name": OWN_NAME, "namespace": namespace, "labels": own_labels(environment)},
        "subjects": [account],
        "roleRef": {"apiGroup": ROLE_BINDING.group, "kind": "ClusterRole", "name": ENVIRONMENT_ROLE},
    }
