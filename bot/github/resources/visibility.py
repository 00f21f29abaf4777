"""Distinguishes a missing object from a repository that the App cannot see."""

from __future__ import annotations

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number
from bot.model.errors import Rejected
from bot.model.repository import Repository


async def require_visible(client: GitHubClient, repository: Repository) -> None:
    """After a 404: raises Rejected unless the App can see the repository under its name and id."""
    endpoint = f"/repos/{repository.full_name}"
    try:
        reply = await client.get(repository.installation_id, endpoint)
    except NotFound:
        raise Rejected(
            f"The App cannot see {repository.full_name}: it was deleted, "
            "or removed from the App's installation."
        ) from None
    if number(reply.json(), "id") != repository.id:
        raise Rejected(f"{repository.full_name} is now the name of another repository.")
