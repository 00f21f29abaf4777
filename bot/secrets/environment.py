"""Secrets from the bot's environment variables with a reserved prefix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from bot.secrets.grants import granted, repositories

PREFIX = "GREENROOM_SECRET_"
"""No setting of the bot has this prefix, so a repository cannot name the bot's own secrets."""
GRANT = "_REPOSITORIES"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvironmentSecrets:
    """`env:NAME` reads GREENROOM_SECRET_NAME, granted to the repositories in …_NAME_REPOSITORIES."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {
            name.removeprefix(PREFIX): value for name, value in variables.items() if name.startswith(PREFIX)
        }

    async def read(self, path: str, repository: Repository) -> SecretValue:
        value = self._variables.get(path, "")
        if not _NAME.fullmatch(path) or path.endswith(GRANT):
            raise Rejected("the reference after `env:` must be a name such as STRIPE_KEY")
        if not value or not granted(self._variables.get(path + GRANT, ""), repository):
            raise Rejected(
                f"the variable {PREFIX}{path} is not set, "
                f"or {PREFIX}{path}{GRANT} does not contain {repository.full_name}"
            )
        return SecretValue(value)

    @property
    def values(self) -> Sequence[str]:
        """All secret values, for redaction in logs."""
        return [value for name, value in self._variables.items() if not name.endswith(GRANT)]

    def grants(self) -> Mapping[str, Sequence[str]]:
        """The names of all secrets with the repositories that they are granted to."""
        return {
            name: repositories(self._variables.get(name + GRANT, ""))
            for name in sorted(self._variables)
            if not name.endswith(GRANT)
        }
