"""Protocols of what provides secrets: managers, operators in the cluster, issued credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, ExternalReference, Lease, SecretValue


class SecretProvider(Protocol):
    """A source of secrets, named by the scheme of a reference."""

    async def read(self, path: str, repository: Repository) -> SecretValue:
        """The value for `path`, the rest of the reference after the colon.

        Raises Rejected when it does not exist or is not for this repository, Unavailable when the source
        does not respond. No message contains a value.
        """


class ExternalStores(Protocol):
    def resolve(self, path: str, repository: Repository) -> ExternalReference:
        """The reference after `eso:`. Raises Rejected unless its store is granted to the repository."""


class CredentialIssuer(Protocol):
    """Raises Rejected when the secret manager refuses, Unavailable when it does not answer."""

    def resolve(self, path: str, repository: Repository) -> DynamicReference:
        """The reference after `vault-dynamic:`. Raises Rejected unless it is granted to the repository."""

    async def issue(self, path: str) -> Lease:
        """New credentials, valid until they end or are revoked."""

    async def renew(self, lease: Lease) -> timedelta:
        """Extends credentials; returns for how long they remain valid, zero if they have expired."""

    async def revoke(self, lease: Lease) -> None:
        """Ends credentials at once; without effect for those that have ended."""


class SecretObjects(Protocol):
    """Secrets in the namespace of an environment. Raises Unavailable and Rejected like WorkloadApplier."""

    async def made(self, namespace: str) -> Mapping[str, Mapping[str, str]]:
        """The values of Secrets that controllers of ExternalSecrets and SealedSecrets made, by name."""

    async def leases(self, namespace: str) -> Sequence[Lease]:
        """The credentials that were issued for the environment."""

    async def keep_leases(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        leases: Sequence[Lease],
        fence: Fence,
    ) -> None:
        """Writes the credentials, in place of those before."""
