"""Pushes to a branch, with the users who made them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import text
from bot.model.repository import Repository

_PAGES = 5
"""Pages of a hundred pushes each, newest first."""


async def list_pushes(
    client: GitHubClient, repository: Repository, full_name: str, branch: str, commits: Collection[str]
) -> list[object]:
    """Pushes of these commits to a branch of the repository, or of a fork, which is named."""
    activities, pushes = list[object](), list[object]()
    query: dict[str, str | int] = {"ref": f"refs/heads/{branch}"}
    pages, left = client.pages(repository.installation_id, f"/repos/{full_name}/activity", query), _PAGES
    async for page in pages:
        activities += page
        left -= 1
        pushes, heads = pushes_of(activities, commits)
        if not left or heads <= {text(push, "after") for push in pushes}:
            break
    return pushes


def pushes_of(activities: Sequence[object], commits: Collection[str]) -> tuple[list[object], set[str]]:
    """The pushes, newest first, that can have brought the commits to the branch, and the heads they made.

    Pure. A push that was replaced by force counts, with those before it: some of its commits may have stayed.
    """
    pushes, heads = list[object](), set(commits)
    for activity in activities:
        after = text(activity, "after")
        if after in heads:
            pushes.append(activity)
            if after not in commits or text(activity, "activity_type") == "force_push":
                heads.add(text(activity, "before"))
    return pushes, heads
