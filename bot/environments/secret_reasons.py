"""Reasons about the secrets of an environment. They name variables and versions, never values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class SecretsWithheld:
    """A fork gets no secrets."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForkWithSecrets:
    """A stage with secrets runs no release that was built for a fork."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretsUnavailable:
    names: tuple[str, ...]
    """The variables whose secrets are missing, or not granted to this repository."""


@dataclass(frozen=True, slots=True)
class SecretsUsed:
    """The secrets that a target of a stage starts with."""

    versions: Mapping[str, str]
    """Versions by variable; "" where the provider counts no versions."""


@dataclass(frozen=True, slots=True)
class SecretsRotated:
    """Values that changed while the environment ran; its pods are replaced."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CurrentSecrets:
    """A rollback takes the current values of secrets without a pinned version."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CredentialsIssued:
    """Credentials that a secret manager issued for the environment."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CredentialsLeft:
    """Credentials that could not be revoked with the environment, and end later."""

    path: str
    until: datetime
    problem: str


class PlainSecretReason(Enum):
    READ = auto()
    """The objects are rendered for values that were just read."""


SecretReason = (
    CredentialsIssued
    | CredentialsLeft
    | PlainSecretReason
    | SecretsWithheld
    | ForkWithSecrets
    | SecretsUnavailable
    | SecretsUsed
    | SecretsRotated
    | CurrentSecrets
)
