"""The Secret with an environment's variables, and reading the operator's Secrets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.client.kinds import SECRET
from bot.cluster.names import SECRETS, own_annotations, own_labels
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.manifest import Manifest
from bot.model.repository import Repository


def injected(
    namespace: str, environment: EnvironmentKey, repository: Repository, values: Mapping[str, str]
) -> Manifest:
    """The Secret as an object. It is not part of a bundle, so that its values go to the API server only."""
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.name,
        "metadata": {
            "name": SECRETS,
            "namespace": namespace,
            "labels": own_labels(environment),
            "annotations": own_annotations(environment, repository),
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in sorted(values.items())},
    }


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
