"""Commits, tags and trees of a repository."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import required_number, required_text, text
from bot.github.resources.activities import list_pushes
from bot.github.resources.authorship import commit_authors, with_pushers
from bot.github.resources.contents import Contents
from bot.github.resources.pull_requests import read_pull_request
from bot.github.resources.visibility import require_visible
from bot.model.commit import Authors, Commit
from bot.model.errors import Unavailable
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

_MAX_TAG_DEPTH = 5
"""An annotated tag may refer to another tag."""


class Commits:
    """Reads commits of the default branch and what tags and trees name."""

    def __init__(self, client: GitHubClient, contents: Contents) -> None:
        self._client = client
        self._contents = contents

    async def head(self, repository: Repository) -> Commit | None:
        """The head of the default branch, whose files are read anew afterwards; None without a commit."""
        self._contents.forget(repository)
        return await self._newest(repository)

    async def last_change(self, repository: Repository, path: str) -> Commit | None:
        """The last commit of the default branch that changed the path."""
        return await self._newest(repository, path)

    async def tree(self, repository: Repository, commit: str) -> str:
        """SHA of the commit's tree: equal for equal content, whatever the history."""
        path = f"/repos/{repository.full_name}/git/commits/{quote(commit, safe='')}"
        return required_text((await self._client.get(repository.installation_id, path)).json(), "tree", "sha")

    async def _newest(self, repository: Repository, path: str | None = None) -> Commit | None:
        query: dict[str, str | int] = {"per_page": 1} | ({"path": path} if path is not None else {})
        reply = await self._client.get(
            repository.installation_id, f"/repos/{repository.full_name}/commits", query
        )
        commits = reply.json()
        if not isinstance(commits, list):
            raise Unavailable("GitHub's response is not a list of commits.")
        return read_commit(commits[0]) if commits else None

    async def commit(self, repository: Repository, sha: str) -> Commit:
        path = f"/repos/{repository.full_name}/commits/{quote(sha, safe='')}"
        return read_commit((await self._client.get(repository.installation_id, path)).json())

    async def authors(self, repository: Repository, sha: str) -> Authors:
        """The authors of one commit, with the user who pushed it to the default branch."""
        authors, name = (await self.commit(repository, sha)).authors, repository.full_name
        reply = await self._client.get(repository.installation_id, f"/repos/{name}")
        branch = required_text(reply.json(), "default_branch")
        return with_pushers(authors, await list_pushes(self._client, repository, name, branch, {sha}), sha)

    async def merged_by(self, repository: Repository, sha: str) -> int | None:
        """Number of the merged pull request that contains the commit; None without one."""
        merged = (pull.number for pull in await self.pull_requests(repository, sha) if pull.merged)
        return next(merged, None)

    async def pull_requests(self, repository: Repository, sha: str) -> Sequence[PullRequest]:
        """The repository's pull requests that GitHub associates with the commit."""
        path = f"/repos/{repository.full_name}/commits/{quote(sha, safe='')}/pulls"
        pulls: list[PullRequest] = []
        async for page in self._client.pages(repository.installation_id, path):
            pulls += [read_pull_request(item, repository.installation_id) for item in page]
        return [pull for pull in pulls if pull.repository.id == repository.id]

    async def tag(self, repository: Repository, name: str) -> str | None:
        """The commit of the tag; None when the tag does not exist."""
        base = f"/repos/{repository.full_name}/git"
        try:
            reply = await self._client.get(
                repository.installation_id, f"{base}/ref/tags/{quote(name, safe='/')}"
            )
        except NotFound:
            # A 404 alone does not prove that the tag is missing.
            await require_visible(self._client, repository)
            return None
        reference = reply.json()
        for _ in range(_MAX_TAG_DEPTH):
            sha = required_text(reference, "object", "sha")
            if text(reference, "object", "type") != "tag":
                return sha if text(reference, "object", "type") == "commit" else None
            reference = (await self._client.get(repository.installation_id, f"{base}/tags/{sha}")).json()
        return None

    async def behind(self, repository: Repository, sha: str, other: str) -> int:
        """Number of commits that the other one has in its history and this one lacks."""
        compared = f"{quote(other, safe='')}...{quote(sha, safe='')}"
        path = f"/repos/{repository.full_name}/compare/{compared}"
        reply = await self._client.get(repository.installation_id, path, {"per_page": 1})
        return required_number(reply.json(), "behind_by")

    async def in_default_branch(self, repository: Repository, sha: str) -> bool:
        """Whether the history of the default branch contains the commit; commits of forks do not count."""
        head = await self._newest(repository)
        if head is None:
            return False
        path = f"/repos/{repository.full_name}/compare/{quote(sha, safe='')}...{head.sha}"
        try:
            reply = await self._client.get(repository.installation_id, path, {"per_page": 1})
        except NotFound:
            await require_visible(self._client, repository)
            return False
        return text(reply.json(), "status") in ("ahead", "identical")


def read_commit(data: object) -> Commit:
    by = text(data, "author", "login") or text(data, "commit", "author", "name") or "unknown"
    return Commit(required_text(data, "sha"), by, commit_authors([data]))
