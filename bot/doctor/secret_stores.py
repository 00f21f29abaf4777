"""Checks the ClusterSecretStores that the operator grants: they exist, are ready, and can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.external_secrets import CLUSTER_STORE
from bot.cluster.policy import EXTERNAL_SECRET, ClusterPolicy
from bot.cluster.rights import CLUSTER_STORES
from bot.doctor.checks import CheckFailed


async def check_secret_stores(api: KubernetesApi, policy: ClusterPolicy) -> str:
    """Reads each store of GREENROOM_SECRET_STORES with the bot's own rights."""
    names = policy.all_stores
    problems = [problem for name in names if (problem := await _problem(api, name))]
    if problems:
        raise CheckFailed("\n".join(problems))
    return f"ready: {', '.join(names)}" if names else "none granted"


async def _problem(api: KubernetesApi, name: str) -> str:
    try:
        store = await api.read(f"/apis/{EXTERNAL_SECRET.api_version}/{CLUSTER_STORES}/{name}")
    except Refused as error:
        if lacks_right(error):
            return (
                f"The bot may not read the {CLUSTER_STORE} {name}, so it is unknown whether it works. "
                "Apply the output of `greenroom rights`."
            )
        if error.status != 404:
            raise
        return (
            f"The {CLUSTER_STORE} {name} does not exist. "
            "Create it, or correct its name in GREENROOM_SECRET_STORES."
        )
    return store_problem(name, store)


def store_problem(name: str, store: Mapping[str, Any]) -> str:
    """Why nothing can be read from the store, in the words of the operator; "" if it is ready. Pure."""
    status = store.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    ready = next((item for item in conditions or () if item.get("type") == "Ready"), None)
    if ready is None:
        return (
            f"No controller has validated the {CLUSTER_STORE} {name}. "
            "Is the External Secrets Operator running, and does it serve this store?"
        )
    if ready.get("status") == "True":
        return ""
    words = str(ready.get("message") or ready.get("reason") or "no reason").rstrip(".")
    return (
        f"The {CLUSTER_STORE} {name} is not ready: {words}. "
        f"`kubectl describe clustersecretstore {name}` shows more."
    )
