"""Labels, annotations and names that belong to the bot."""

from __future__ import annotations

import hashlib
import json

from bot.model.manifest import Manifest

FIELD_MANAGER = "greenroom"

PREFIX = "greenroom.dev/"
"""Of every label and annotation of ours; manifests may not use it."""
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "greenroom"

ENVIRONMENT = f"{PREFIX}environment"
"""Label of every object: whose it is."""
RELEASE = f"{PREFIX}release"
"""Label of the pods behind the route."""
JOB = f"{PREFIX}job"
"""Label of Jobs that the bot adds: `seed` or the check's name."""
RESETS = f"{PREFIX}resets"
"""Annotation of pod templates: which data they found, so that pods start anew with new data."""
TEMPLATE = f"{PREFIX}template"
"""Annotation of pod templates: digest of the template and of the configuration that it refers to."""

REFRESH = f"{PREFIX}refresh"
"""Annotation of pod templates: how often somebody asked for the same commit to be rolled out anew."""

REPOSITORY = f"{PREFIX}repository"
INSTALLATION = f"{PREFIX}installation"
PULL_REQUEST = f"{PREFIX}pull-request"
COMMIT = f"{PREFIX}commit"
SERIAL = f"{PREFIX}serial"
"""Which of a stage's targets it was checked for."""
GENERATION = f"{PREFIX}generation"

OWN_NAME = "greenroom"
"""Objects of the bot have this name or one that begins with it and a hyphen."""
CONFIG = f"{OWN_NAME}-config"
RECORD = f"{OWN_NAME}-data"
"""ConfigMap that tells what was done to the data."""
SEED = f"{OWN_NAME}-seed"
MIGRATIONS = f"{OWN_NAME}-migrations"
SECRETS = f"{OWN_NAME}-secrets"
ROUTE = f"{OWN_NAME}-route"


def is_reserved_name(name: str) -> bool:
    return name == OWN_NAME or name.startswith(f"{OWN_NAME}-")


def data_job(name: str) -> str | None:
    """SEED or MIGRATIONS for a Job of ours that changes data, whichever run of it."""
    return next((kind for kind in (SEED, MIGRATIONS) if name.startswith(f"{kind}-")), None)


def digest(value: object) -> str:
    """SHA-256 of JSON, equal for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_name(name: str, content: object) -> str:
    """A name that fits a DNS label (63) and is another one for another content."""
    return f"{name[:52].rstrip('-.')}-{digest([name, content])[:10]}"


def object_name(manifest: Manifest) -> str:
    """Such as `Deployment/shop`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
