"""Tells a deleted object from a repository that the App cannot see."""

from __future__ import annotations

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number
from bot.model.errors import Rejected
from bot.model.repository import Repository


async def require_visible(client: GitHubClient, repository: Repository) -> None:
    """After a 404: raises Rejected unless the repository itself is seen, and is still the same."""
    asked = f"/repos/{repository.full_name}"
    try:
        reply = await client.get(repository.installation_id, asked)
    except NotFound:
        raise Rejected(
            f"The App cannot see {repository.full_name}: it was deleted, "
            "or taken out of the App's installation."
        ) from None
    if number(reply.json(), "id") != repository.id:
        raise Rejected(f"{repository.full_name} is another repository now.")
