"""Who is in which team of an organisation."""

from __future__ import annotations

from urllib.parse import quote

from bot.github.client.client import Client
from bot.github.client.failures import NotFound
from bot.github.client.fields import text
from bot.model.repository import Repository


async def in_team(client: Client, repository: Repository, team: str, login: str) -> bool:
    """An invitation that was not accepted yet does not count, nor does a team that is not seen."""
    path = f"/orgs/{quote(repository.owner)}/teams/{quote(team)}/memberships/{quote(login, safe='')}"
    try:
        reply = await client.get(repository.installation_id, path)
    except NotFound:
        return False
    return text(reply.json(), "state") == "active"
