"""Values from the bot's own environment variables, none but those that the operator set apart for this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.secrets.grants import granted, repositories

PREFIX = "GREENROOM_SECRET_"
"""No setting of the bot begins so: what a repository can name is never the bot's own secret."""
GRANT = "_REPOSITORIES"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvironmentSecrets:
    """`env:NAME` is the variable GREENROOM_SECRET_NAME, for the repositories in …_NAME_REPOSITORIES."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._known = {
            name.removeprefix(PREFIX): value for name, value in variables.items() if name.startswith(PREFIX)
        }

    async def read(self, path: str, repository: Repository) -> str:
        value = self._known.get(path, "")
        if not _NAME.fullmatch(path) or path.endswith(GRANT):
            raise Rejected("what follows `env:` has to be a name such as STRIPE_KEY")
        if not value or not granted(self._known.get(path + GRANT, ""), repository):
            named = f"{PREFIX}{path}{GRANT} does not name {repository.full_name}"
            raise Rejected(f"the bot has no variable {PREFIX}{path}, or {named}")
        return value

    @property
    def values(self) -> Sequence[str]:
        """All of them, so that no log line shows one."""
        return [value for name, value in self._known.items() if not name.endswith(GRANT)]

    def grants(self) -> Mapping[str, Sequence[str]]:
        """Each secret's name and the repositories that may have it."""
        return {
            name: repositories(self._known.get(name + GRANT, ""))
            for name in sorted(self._known)
            if not name.endswith(GRANT)
        }
