"""Sentences about the secrets of an environment: variables and versions, never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from bot.environments.secret_reasons import (
    CredentialsIssued,
    CredentialsLeft,
    CurrentSecrets,
    ForkWithSecrets,
    PlainSecretReason,
    SecretReason,
    SecretsRotated,
    SecretsUnavailable,
    SecretsUsed,
    SecretsWithheld,
)
from bot.github.messages.markdown import clause, name_list, timestamp


def describe_secrets(reason: SecretReason) -> str:
    match reason:
        case SecretsWithheld(names):
            return f"A fork gets no secrets, so it runs without {name_list(names)}."
        case ForkWithSecrets(names):
            listed = name_list(names)
            return f"This stage has secrets ({listed}), so it does not run releases built for a fork."
        case SecretsUnavailable(names):
            noun, verb = ("secret", "is") if len(names) == 1 else ("secrets", "are")
            return f"Not started: {noun} {name_list(names)} {verb} unavailable. Retrying every minute."
        case SecretsUsed(versions):
            return f"Runs with the secrets {with_versions(versions)}."
        case SecretsRotated(versions):
            noun = "secret" if len(versions) == 1 else "secrets"
            return f"The {noun} {with_versions(versions)} changed. Pods are replaced."
        case CurrentSecrets(names):
            return current_secrets(names)
        case CredentialsIssued(paths):
            return f"Vault issued credentials of {name_list(paths)} for this environment."
        case CredentialsLeft(path, until, problem):
            end = timestamp(until)
            return f"The credentials of `{path}` could not be revoked and expire at {end}: {clause(problem)}."
        case PlainSecretReason.READ:
            return "Values of secrets are read."
        case unknown:
            assert_never(unknown)


def current_secrets(names: Sequence[str]) -> str:
    """What a rollback leaves as it is."""
    verb = "has its current value" if len(names) == 1 else "have their current values"
    return f"The rollback covers code and configuration; {name_list(names)} {verb}."


def with_versions(versions: Mapping[str, str]) -> str:
    """Variables with the versions of their secrets, where the provider counts them."""
    ordered = sorted(versions.items())
    return ", ".join(f"`{name}` (version {version})" if version else f"`{name}`" for name, version in ordered)
