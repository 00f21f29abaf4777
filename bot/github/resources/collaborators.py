"""Roles of users in a repository, and memberships in teams of its organisation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number, text
from bot.model.person import Person
from bot.model.repository import Repository
from bot.model.role import Role


class Collaborators:
    """Reads roles and team memberships."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    async def role(self, repository: Repository, login: str) -> Role:
        """The role; NONE when GitHub shows no such user or repository."""
        return _role(await self._read(repository, login))

    async def role_of(self, repository: Repository, person: Person) -> Role:
        """The role of this very user (by id) in this very repository; everybody can read a public one."""
        data = await self._read(repository, person.login)
        return _role(data) if number(data, "user", "id") == person.id else Role.NONE

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        """Whether the user is an active member; pending invitations and teams we cannot see do not count."""
        path = f"/orgs/{quote(repository.owner)}/teams/{quote(team)}/memberships/{quote(login, safe='')}"
        try:
            reply = await self._client.get(repository.installation_id, path)
        except NotFound:
            return False
        return text(reply.json(), "state") == "active"

    async def _read(self, repository: Repository, login: str) -> Any:
        # By id: another repository may have taken the name.
        path = f"/repositories/{repository.id}/collaborators/{quote(login, safe='')}/permission"
        try:
            return (await self._client.get(repository.installation_id, path)).json()
        except NotFound:
            return None


def _role(data: object) -> Role:
    """A custom role counts as the base role it extends."""
    for name in (text(data, "role_name"), text(data, "permission")):
        if name in set(Role):
            return Role(name)
    return Role.NONE
