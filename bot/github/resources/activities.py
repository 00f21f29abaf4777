"""Pushes to a branch, with the users who made them."""

from __future__ import annotations

from collections.abc import Collection

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import text
from bot.model.repository import Repository

_PAGES = 5
"""Of a hundred pushes each, the newest first."""


async def list_pushes(
    client: GitHubClient, repository: Repository, full_name: str, branch: str, commits: Collection[str]
) -> list[object]:
    """Pushes of these commits to a branch of the repository, or of a fork, which is named."""
    pushes: list[object] = []
    query: dict[str, str | int] = {"ref": f"refs/heads/{branch}"}
    pages, left = client.pages(repository.installation_id, f"/repos/{full_name}/activity", query), _PAGES
    async for page in pages:
        pushes += [activity for activity in page if text(activity, "after") in commits]
        left -= 1
        if not left or {text(push, "after") for push in pushes} >= set(commits):
            break
    return pushes
