"""What people may do in a repository, read as the App."""

from __future__ import annotations

from urllib.parse import quote

from bot.github.client import Client
from bot.github.fields import number, text
from bot.model.person import Person
from bot.model.repository import Repository


class People:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def may_read(self, repository: Repository, person: Person) -> bool:
        """Whether GitHub says so of this very person and repository; a public one anybody may read."""
        # By its id: a repository's name may belong to another one by now.
        path = f"/repositories/{repository.id}/collaborators/{quote(person.login, safe='')}/permission"
        answer = (await self._client.get(repository.installation_id, path)).json()
        known = number(answer, "user", "id") == person.id
        return known and text(answer, "permission") in ("read", "write", "admin")
