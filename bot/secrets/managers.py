"""The secret managers of GREENROOM_SECRETS_MANAGERS, as providers by the scheme of their references."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.model.errors import GreenroomError
from bot.secrets.aws import AwsClient, AwsParameters, AwsSecretsManager
from bot.secrets.provider_file import AwsSettings, VaultSettings, read_providers
from bot.secrets.remote import Provider, RemoteCredentials, RemoteSecrets, SecretTelemetry
from bot.secrets.vault import VaultSecrets
from bot.secrets.vault_client import VaultClient
from bot.secrets.vault_dynamic import VaultCredentials


@dataclass(frozen=True, slots=True)
class Managers:
    providers: Mapping[str, RemoteSecrets]
    """Providers by the scheme of their references."""
    credentials: RemoteCredentials | None = None
    """Credentials that Vault issues, if it may."""


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
        stack.callback(aws.close)
        providers["aws-sm"] = AwsSecretsManager(aws, settings.aws.secrets)
        providers["aws-ssm"] = AwsParameters(aws, settings.aws.parameters)
    remote = {name: RemoteSecrets(name, provider, telemetry) for name, provider in providers.items()}
    return Managers(remote, credentials)


async def check_managers(file: str | None) -> list[str]:
    """Asks every manager for what each login can read; returns a line for each.

    Raises a GreenroomError with a line for each manager that does not answer or refuses.
    """
    settings = read_providers(file)
    checks: dict[str, Awaitable[str]] = {}
    if settings.vault is not None:
        checks["vault"] = _check_vault(settings.vault)
        if settings.vault.issuing is not None:
            checks["vault-dynamic"] = _check_vault(settings.vault.issuing, periodic=True)
    if settings.aws is not None:
        checks["aws"] = _check_aws(settings.aws)
    results = await asyncio.gather(*checks.values(), return_exceptions=True)
    problems = []
    for name, result in zip(checks, results, strict=True):
        if isinstance(result, GreenroomError):
            problems.append(f"{name}: {result}")
        elif isinstance(result, BaseException):
            raise result
    if problems:
        raise GreenroomError("\n".join(problems))
    return [f"{name}: {result}" for name, result in zip(checks, results, strict=True)]


async def _check_vault(settings: VaultSettings, *, periodic: bool = False) -> str:
    client = VaultClient(settings, periodic=periodic)
    try:
        await client.check()
    finally:
        await client.close()
    return f"logged in at {settings.address}, grants for {len(settings.grants)} paths"


async def _check_aws(settings: AwsSettings) -> str:
    client = AwsClient(settings)
    try:
        await client.check()
    finally:
        client.close()
    grants = len(settings.secrets) + len(settings.parameters)
    return f"answers in {settings.region}, grants for {grants} paths"
