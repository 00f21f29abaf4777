"""The secret managers of GREENROOM_SECRETS_MANAGERS, as providers by the scheme of their references."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.secrets.aws import AwsClient, AwsParameters, AwsSecretsManager
from bot.secrets.provider_file import read_providers
from bot.secrets.remote import Provider, RemoteCredentials, RemoteSecrets, SecretTelemetry
from bot.secrets.vault import VaultSecrets
from bot.secrets.vault_client import VaultClient
from bot.secrets.vault_dynamic import VaultCredentials


@dataclass(frozen=True, slots=True)
class Managers:
    providers: Mapping[str, RemoteSecrets]
    """By the scheme of their references."""
    credentials: RemoteCredentials | None = None
    """Of Vault, if it may issue some."""


async def open_managers(file: str | None, telemetry: SecretTelemetry, stack: AsyncExitStack) -> Managers:
    """Opens the clients without a request; the stack closes them. Raises GreenroomError."""
    settings = read_providers(file)
    providers: dict[str, Provider] = {}
    credentials = None
    if settings.vault is not None:
        client = VaultClient(settings.vault)
        stack.push_async_callback(client.close)
        providers["vault"] = VaultSecrets(client, settings.vault.grants)
        if (issuing := settings.vault.issuing) is not None:
            issuer = VaultClient(issuing, periodic=True)
            stack.push_async_callback(issuer.close)
            await stack.enter_async_context(issuer.kept_alive())
            vault = VaultCredentials(issuer, settings.vault.grants, lambda: datetime.now(UTC))
            credentials = RemoteCredentials("vault-dynamic", vault, telemetry)
    if settings.aws is not None:
        aws = AwsClient(settings.aws)
        providers["aws-sm"] = AwsSecretsManager(aws, settings.aws.secrets)
        providers["aws-ssm"] = AwsParameters(aws, settings.aws.parameters)
    remote = {name: RemoteSecrets(name, provider, telemetry) for name, provider in providers.items()}
    return Managers(remote, credentials)


async def check_managers(file: str | None) -> list[str]:
    """Asks each manager for what every login can read; returns a line for each. Raises a GreenroomError."""
    settings = read_providers(file)
    lines: list[str] = []
    if settings.vault is not None:
        client = VaultClient(settings.vault)
        try:
            await client.check()
        finally:
            await client.close()
        if (issuing := settings.vault.issuing) is not None:
            issuer = VaultClient(issuing, periodic=True)
            try:
                await issuer.check()
            finally:
                await issuer.close()
        lines.append(
            f"vault: logged in at {settings.vault.address}, grants for {len(settings.vault.grants)} paths"
        )
    if settings.aws is not None:
        await AwsClient(settings.aws).check()
        grants = len(settings.aws.secrets) + len(settings.aws.parameters)
        lines.append(f"aws: answers in {settings.aws.region}, grants for {grants} paths")
    return lines
