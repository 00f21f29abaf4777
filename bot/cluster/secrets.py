"""Secrets: the one that an environment's variables come from, and those that the operator keeps."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import SECRET
from bot.cluster.names import SECRETS
from bot.cluster.ownership import own_annotations, own_labels
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Manifest
from bot.model.repository import Repository


def injected(
    namespace: str, environment: EnvironmentKey, repository: Repository, values: Mapping[str, str]
) -> Manifest:
    """Never part of a bundle: it goes to the API server and nowhere else."""
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
    """By a list of one, as the right to list is the only one that reading takes anywhere in the bot."""
    found = await api.list(SECRET, namespace, fields=f"metadata.name={name}")
    return found.items[0] if found.items else None
