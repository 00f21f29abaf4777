"""The Secret with an environment's variables, and reading the operator's Secrets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.client.kinds import SECRET
from bot.cluster.names import SECRETS, own_annotations, own_labels, pull_secret_name
from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.manifest import Manifest
from bot.model.repository import Repository

_CREDENTIALS_TYPE = "kubernetes.io/dockerconfigjson"
_CREDENTIALS = ".dockerconfigjson"


def injected(
    namespace: str, environment: EnvironmentKey, repository: Repository, values: Mapping[str, str]
) -> Manifest:
    """The Secret as an object. It is not part of a bundle, so that its values go to the API server only."""
    data = {name: base64.b64encode(value.encode()).decode() for name, value in sorted(values.items())}
    return {**own_secret(SECRETS, namespace, environment, repository), "type": "Opaque", "data": data}


def own_secret(
    name: str, namespace: str, environment: EnvironmentKey, repository: Repository
) -> dict[str, Any]:
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.name,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": own_labels(environment),
            "annotations": own_annotations(environment, repository),
        },
    }


async def copy_pull_secret(
    api: KubernetesApi,
    secret: str,
    namespace: str,
    environment: EnvironmentKey,
    repository: Repository,
    fence: Fence,
) -> None:
    """Copies the operator's pull secret `NAMESPACE/NAME` into an environment, unless the copy is current.

    Raises Rejected like `read_credentials`.
    """
    name, data = pull_secret_name(secret), {_CREDENTIALS: await read_credentials(api, secret)}
    copy = await read_secret(api, namespace, name)
    if copy is None or copy.get("data") != data:
        body = own_secret(name, namespace, environment, repository)
        await fence()
        await api.apply({**body, "type": _CREDENTIALS_TYPE, "data": data})


async def read_credentials(api: KubernetesApi, secret: str) -> str:
    """The encoded credentials in the operator's pull secret `NAMESPACE/NAME`.

    Raises Rejected when it is absent, of another type, or may not be read.
    """
    origin = await read_operator_secret(api, *secret.split("/", 1)) or {}
    credentials = (origin.get("data") or {}).get(_CREDENTIALS)
    if origin.get("type") != _CREDENTIALS_TYPE or not credentials:
        raise Rejected(
            f"GREENROOM_PULL_SECRETS names the Secret {secret}, which does not exist or is not of the type "
            f"{_CREDENTIALS_TYPE}. The operator must create it with `kubectl create secret docker-registry`."
        )
    return str(credentials)


async def read_secret(api: KubernetesApi, namespace: str, name: str) -> Mapping[str, Any] | None:
    """The Secret of that name; None when it is absent.

    Uses a list with a field selector, because the bot has the right to list Secrets, not to get them.
    """
    secrets = await api.list(SECRET, namespace, fields=f"metadata.name={name}")
    return secrets.items[0] if secrets.items else None


async def read_operator_secret(api: KubernetesApi, namespace: str, name: str) -> Mapping[str, Any] | None:
    """Like `read_secret`, for a namespace in which the operator must let the bot read Secrets."""
    try:
        return await read_secret(api, namespace, name)
    except Rejected as error:
        if lacks_right(error):
            raise Rejected(unreadable(namespace)) from None
        raise


def unreadable(namespace: str) -> str:
    """The message for an operator who has not let the bot read a namespace's Secrets."""
    return (
        f"Greenroom may not read Secrets in the namespace {namespace}. "
        "The operator must bind the ClusterRole greenroom-secrets there, as docs/secrets.md describes."
    )
