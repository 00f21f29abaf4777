"""Labels, annotations and names that the bot sets on objects."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.manifest import Manifest, RenderRequest
from bot.model.repository import Repository

FIELD_MANAGER = "greenroom"

PREFIX = "greenroom.dev/"
"""Prefix of all our labels and annotations; manifests must not use it."""
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "greenroom"

APP = f"{PREFIX}app"
"""Label of namespaces: the id of the GitHub App whose bot created them."""
ENVIRONMENT = f"{PREFIX}environment"
"""Label of every object: the environment that it belongs to."""
INFRASTRUCTURE = f"{PREFIX}infrastructure"
"""Label of the namespace of an environment's infrastructure, in place of the label of the environment."""
RELEASE = f"{PREFIX}release"
"""Label of the pods behind the route."""
TRACK = f"{PREFIX}track"
"""Label of pods behind the route of a stage with a progressive rollout, and of a candidate's objects."""
CANDIDATE = f"{PREFIX}candidate"
"""Label of a candidate's pods: its suffix. An earlier one still runs while its traffic drains."""
JOB = f"{PREFIX}job"
"""Label of Jobs that the bot adds: `seed` or the name of the check."""
RESETS = f"{PREFIX}resets"
"""Annotation of pod templates: identifies the data, so that pods restart after a reset."""
TEMPLATE = f"{PREFIX}template"
"""Annotation of pod templates: digest of the template and of the configuration that it references."""

RESOURCE = f"{PREFIX}resource"
"""Annotation of objects of a kind that the operator allows: the plural in the paths of its API."""

REFRESH = f"{PREFIX}refresh"
"""Annotation of pod templates: number of requests to redeploy the same commit."""

REPOSITORY = f"{PREFIX}repository"
INSTALLATION = f"{PREFIX}installation"
PULL_REQUEST = f"{PREFIX}pull-request"
COMMIT = f"{PREFIX}commit"
SERIAL = f"{PREFIX}serial"
"""Annotation of check Jobs: the stage's target that they check."""
GENERATION = f"{PREFIX}generation"
SNAPSHOT = f"{PREFIX}snapshot"
"""Annotation of namespaces: what must survive the store, which alone reads it."""

ENVIRONMENT_ROLE = "greenroom-environment"
"""ClusterRole with the bot's rights in the namespace of an environment."""
OWN_NAME = "greenroom"
"""Name of the bot's objects, or prefix of it before a hyphen."""
STORE_LEASE = f"{OWN_NAME}-store"
"""Lease in the bot's own namespace: the store that works."""
CONFIG = f"{OWN_NAME}-config"
RECORD = f"{OWN_NAME}-data"
"""ConfigMap with the record of what was done to the data."""
SEED = f"{OWN_NAME}-seed"
MIGRATIONS = f"{OWN_NAME}-migrations"
SECRETS = f"{OWN_NAME}-secrets"
EXTERNAL = f"{OWN_NAME}-external"
LEASES = f"{OWN_NAME}-leases"
"""Secret with credentials that were issued for the environment, from which pods cannot read."""
ROUTE = f"{OWN_NAME}-route"
_PULL_SECRET = f"{OWN_NAME}-pull"


def is_reserved_name(name: str) -> bool:
    return name == OWN_NAME or name.startswith(f"{OWN_NAME}-")


def data_job(name: str) -> str | None:
    """SEED or MIGRATIONS for a name of a Job of ours that changes data, else None."""
    return next((kind for kind in (SEED, MIGRATIONS) if name.startswith(f"{kind}-")), None)


def digest(value: object) -> str:
    """SHA-256 of the value as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_name(name: str, content: object) -> str:
    """A name with the digest of the content, at most 63 characters (DNS label)."""
    return f"{name[:52].rstrip('-.')}-{digest([name, content])[:10]}"


def pull_secret_name(secret: str) -> str:
    """The name in environments of the operator's pull secret `NAMESPACE/NAME`."""
    return content_name(f"{_PULL_SECRET}-{secret.partition('/')[2]}", secret)


def candidate_name(name: str, suffix: str) -> str:
    """The name of a candidate's object, at most 63 characters: a longer one is cut with a digest."""
    if len(name) + len(suffix) < 63:
        return f"{name}-{suffix}"
    return f"{content_name(name[: 62 - len(suffix) - 11], name)}-{suffix}"


def object_name(manifest: Manifest) -> str:
    """Kind and name, such as `Deployment/shop`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def own_labels(environment: EnvironmentKey) -> dict[str, str]:
    return {MANAGED_BY: MANAGER, ENVIRONMENT: environment.label}


def own_annotations(environment: EnvironmentKey, repository: Repository) -> dict[str, str]:
    annotations = {REPOSITORY: repository.full_name}
    if environment.kind is EnvironmentKind.PREVIEW:
        annotations[PULL_REQUEST] = environment.name
    return annotations


def with_ownership(manifest: dict[str, Any], request: RenderRequest) -> dict[str, Any]:
    """The object with namespace, our labels and annotations.

    The pod template is not changed: a commit without other changes must not restart pods.
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
