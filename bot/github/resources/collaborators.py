"""What people may do in a repository, read as the App."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bot.github.client.client import Client
from bot.github.client.failures import NotFound
from bot.github.client.fields import number, text
from bot.model.person import Person
from bot.model.repository import Repository
from bot.model.role import Role


class People:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def role(self, repository: Repository, login: str) -> Role:
        """NONE for somebody, or a repository, that GitHub does not show."""
        return _role(await self._read(repository, login))

    async def may_read(self, repository: Repository, person: Person) -> bool:
        """Whether GitHub says so of this very person and repository; a public one anybody may read."""
        data = await self._read(repository, person.login)
        return number(data, "user", "id") == person.id and _role(data) is not Role.NONE

    async def _read(self, repository: Repository, login: str) -> Any:
        # By its id: a repository's name may belong to another one by now.
        path = f"/repositories/{repository.id}/collaborators/{quote(login, safe='')}/permission"
        try:
            return (await self._client.get(repository.installation_id, path)).json()
        except NotFound:
            return None


def _role(data: object) -> Role:
    """A role that an organisation made counts as the one that it is based on."""
    for name in (text(data, "role_name"), text(data, "permission")):
        if name in set(Role):
            return Role(name)
    return Role.NONE
