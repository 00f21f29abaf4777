"""Secrets as providers return them, and what is recorded of them. No value is part of a `repr`."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A value with the version that has it."""

    text: str = field(repr=False)
    version: str = ""
    """Version that the provider counts; "" where it has no versions."""
    pinned: bool = False
    """Whether the reference names a version, whose value never changes."""


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """What an environment keeps of a secret that it runs with."""

    digest: str = ""
    """Keyed digest of the value: shows whether it changed and reveals nothing. "" while it is not read."""
    version: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ExternalReference:
    """A value that the External Secrets Operator reads from a store."""

    store: str
    """Name of a ClusterSecretStore."""
    key: str
    property: str = ""


@dataclass(frozen=True, slots=True)
class DynamicReference:
    """A field of credentials that are issued for one environment."""

    path: str
    """Where they are issued, such as `database/creds/ROLE`."""
    field: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Credentials that a secret manager issued for one environment, until they end or are revoked."""

    id: str
    path: str
    issued_at: datetime
    expires_at: datetime
    duration: timedelta
    """What was granted at first."""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    replaced: bool = False
    """Newer ones were issued; these are revoked when no pod uses them."""


def secret_versions(records: Mapping[str, SecretRecord]) -> Mapping[str, str]:
    """Versions by variable; "" where the provider counts none."""
    return {name: record.version for name, record in sorted(records.items())}


def unpinned(records: Mapping[str, SecretRecord]) -> tuple[str, ...]:
    """The variables whose values follow what their providers have."""
    return tuple(name for name, record in sorted(records.items()) if not record.pinned)


def keyed_digest(key: bytes, content: object) -> str:
    """Shows whether the content changed, and reveals nothing of it."""
    text = json.dumps(content, sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
