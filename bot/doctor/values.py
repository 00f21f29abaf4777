"""Checks values that are valid but probably mistakes: unknown variables, weak secrets, no sign-in. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.doctor.checks import CheckFailed
from bot.settings import Settings, unknown_variables, variable

_SHORTEST_SECRET = 20
_FEWEST_CHARACTERS = 8
"""Minimum number of distinct characters in a secret."""


def check_variables(names: Iterable[str]) -> str:
    unknown = unknown_variables(names)
    if unknown:
        raise CheckFailed("\n".join(unknown))
    return "all are settings"


def check_webhook_secrets(settings: Settings) -> str:
    """A guessed secret allows others to send deliveries."""
    named = [(variable("webhook_secret"), settings.webhook_secret)]
    if settings.webhook_secret_previous is not None:
        named.append((variable("webhook_secret_previous"), settings.webhook_secret_previous))
    weak = [name for name, secret in named if _is_weak(secret.get_secret_value())]
    if weak:
        raise CheckFailed(
            f"{' and '.join(weak)} can be guessed. Use random text of {_SHORTEST_SECRET} or more characters, "
            "such as the output of `openssl rand -hex 32`, here and on the App's settings page."
        )
    return "not easily guessed"


def check_sign_in(settings: Settings) -> str:
    client_id, secret = variable("github_client_id"), variable("github_client_secret")
    if settings.github_client_id and settings.github_client_secret:
        return "users sign in with GitHub"
    if settings.github_client_id or settings.github_client_secret:
        missing = secret if settings.github_client_id else client_id
        raise CheckFailed(f"{missing} is not set, so users cannot sign in. Set it, or remove both.")
    return f"off: the pages that comments link to are not served until {client_id} and {secret} are set"


def _is_weak(secret: str) -> bool:
    return len(secret) < _SHORTEST_SECRET or len(set(secret)) < _FEWEST_CHARACTERS
