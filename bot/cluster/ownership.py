"""Whose an object is: labels to find it by, annotations to read."""

from __future__ import annotations

from typing import Any

from bot.cluster.names import COMMIT, ENVIRONMENT, MANAGED_BY, MANAGER, PULL_REQUEST, REPOSITORY
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.manifest import RenderRequest
from bot.model.repository import Repository


def own_labels(environment: EnvironmentKey) -> dict[str, str]:
    return {MANAGED_BY: MANAGER, ENVIRONMENT: environment.label}


def own_annotations(environment: EnvironmentKey, repository: Repository) -> dict[str, str]:
    told = {REPOSITORY: repository.full_name}
    if environment.kind is EnvironmentKind.PREVIEW:
        told[PULL_REQUEST] = environment.name
    return told


def with_ownership(manifest: dict[str, Any], request: RenderRequest) -> dict[str, Any]:
    """The object with its namespace, our labels and annotations; never on a pod template.

    A commit that changes nothing else must not restart a pod.
    """
    metadata = manifest["metadata"]
    return {
        **manifest,
        "metadata": {
            **metadata,
            "namespace": request.namespace,
            "labels": {**(metadata.get("labels") or {}), **own_labels(request.environment)},
            "annotations": {
                **(metadata.get("annotations") or {}),
                **own_annotations(request.environment, request.repository),
                COMMIT: request.commit,
            },
        },
    }
