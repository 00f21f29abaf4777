"""Pull requests with their files, reviews and authors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cachetools import LRUCache, TTLCache

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import (
    dig,
    flag,
    items,
    number,
    required_number,
    required_text,
    text,
    timestamp,
)
from bot.github.resources.activities import list_pushes
from bot.github.resources.authorship import commit_authors, with_pushers
from bot.github.resources.collaborators import Collaborators
from bot.github.resources.contents import Contents
from bot.github.resources.visibility import require_visible
from bot.model.commit import Authors
from bot.model.errors import Rejected, Unavailable
from bot.model.pull_request import PullRequest, Review
from bot.model.repository import Repository

_LISTED_FILES = 3000
"""GitHub's limit of listed files per pull request."""
_LISTED_COMMITS = 250
"""GitHub's limit of listed commits per pull request."""
_REMEMBERED_HEADS = 10_000
_INVISIBLE_SECONDS = 60
"""Many environments of a deleted repository cause one request."""
_BASE_CHANGES = """
query ($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      timelineItems(last: 1, itemTypes: [
        AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT, BASE_REF_CHANGED_EVENT, BASE_REF_DELETED_EVENT,
        BASE_REF_FORCE_PUSHED_EVENT
      ]) {
        nodes {
          ... on AutomaticBaseChangeSucceededEvent { createdAt }
          ... on BaseRefChangedEvent { createdAt }
          ... on BaseRefDeletedEvent { createdAt }
          ... on BaseRefForcePushedEvent { createdAt }
        }
      }
    }
  }
}
"""
"""The last change of a pull request's base: by a user, after the base was merged, or of the branch itself."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PullRequests:
    """Reads pull requests, their changed files, reviews and authors."""

    def __init__(self, client: GitHubClient, contents: Contents, collaborators: Collaborators) -> None:
        self._client = client
        self._contents = contents
        self._collaborators = collaborators
        self._invisible: TTLCache[int, str] = TTLCache(_REMEMBERED_HEADS, _INVISIBLE_SECONDS)
        """Reason by repository why the App cannot see it."""
        self._heads: LRUCache[tuple[int, int], str] = LRUCache(_REMEMBERED_HEADS)

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        """None only when the App can see the repository and it has no such pull request.

        When the head is the same as in the last read, the configuration may be what changed: the next read
        of the default branch asks GitHub again.
        """
        if (reason := self._invisible.get(repository.id)) is not None:
            raise Rejected(reason)
        pull_request = await self._read(repository, number)
        if pull_request is not None:
            key = (repository.id, number)
            if self._heads.get(key) in (None, pull_request.head_sha):
                self._contents.forget(repository)
            self._heads[key] = pull_request.head_sha
        return pull_request

    async def _read(self, repository: Repository, number: int) -> PullRequest | None:
        try:
            reply = await self._client.get(
                repository.installation_id, f"/repos/{repository.full_name}/pulls/{number}"
            )
        except NotFound:
            try:
                await require_visible(self._client, repository)
            except Rejected as error:
                self._invisible[repository.id] = str(error)
                raise
            return None
        pull = read_pull_request(reply.json(), repository.installation_id)
        # Another repository may have taken the name.
        return pull if pull.repository.id == repository.id else None

    async def open_pull_requests(self, repository: Repository) -> Sequence[PullRequest]:
        """All open pull requests; raises when a part cannot be read."""
        path = f"/repos/{repository.full_name}/pulls"
        pull_requests: list[PullRequest] = []
        async for page in self._client.pages(
            repository.installation_id, path, {"state": "open", "sort": "created", "direction": "asc"}
        ):
            pull_requests += [read_pull_request(item, repository.installation_id) for item in page]
        self._invisible.pop(repository.id, None)
        return [pull for pull in pull_requests if pull.repository.id == repository.id]

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        """Old and new paths; empty when there are more files than GitHub lists."""
        path = f"/repos/{repository.full_name}/pulls/{number}/files"
        files = [item async for page in self._client.pages(repository.installation_id, path) for item in page]
        if len(files) >= _LISTED_FILES:
            return ()
        both = [text(item, name) for item in files for name in ("filename", "previous_filename")]
        return [name for name in both if name]

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        """The last review of each user; comments do not count, dismissals do.

        As on GitHub, an approval counts only if the reviewer has write access.
        """
        reviews = [
            replace(review, approved=review.approved and await self._may_write(repository, review.by))
            for review in await self._last_reviews(repository, number)
        ]
        if not any(review.approved for review in reviews):
            return reviews
        changed_at = await self._base_changed_at(repository, number)
        return [replace(review, base_changed_at=changed_at) for review in reviews]

    async def _base_changed_at(self, repository: Repository, number: int) -> datetime | None:
        variables: dict[str, object] = {"owner": repository.owner, "name": repository.name, "number": number}
        data = await self._client.graphql_query(repository.installation_id, _BASE_CHANGES, variables)
        changes = dig(data, "repository", "pullRequest", "timelineItems", "nodes")
        if not isinstance(changes, list):
            raise Unavailable(f"GitHub's response has no timeline of #{number}.")
        if not changes:
            return None
        changed_at = timestamp(changes[-1], "createdAt")
        if changed_at is None:
            raise Unavailable(f"GitHub does not show when #{number} got its base.")
        return changed_at

    async def _may_write(self, repository: Repository, login: str) -> bool:
        return (await self._collaborators.role(repository, login)).may_write

    async def _last_reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        path = f"/repos/{repository.full_name}/pulls/{number}/reviews"
        latest: dict[str, Review] = {}
        async for page in self._client.pages(repository.installation_id, path):
            for item in page:
                state, by = text(item, "state"), text(item, "user", "login")
                # A workflow that the pull request itself changes can approve as a bot.
                if by and text(item, "user", "type") != "Bot" and state != "COMMENTED":
                    latest[by.lower()] = Review(
                        by, state == "APPROVED", text(item, "commit_id"), timestamp(item, "submitted_at")
                    )
        return list(latest.values())

    async def authors(self, repository: Repository, number: int) -> Authors:
        """The user who opened the pull request, and everyone who wrote or pushed its commits.

        Rejected when there are more commits than GitHub lists.
        """
        path = f"/repos/{repository.full_name}/pulls/{number}"
        pull = (await self._client.get(repository.installation_id, path)).json()
        commits: list[object] = []
        async for page in self._client.pages(repository.installation_id, f"{path}/commits"):
            commits += page
        if len(commits) >= _LISTED_COMMITS:
            raise Rejected(
                f"#{number} has {len(commits)} commits or more; GitHub lists no more, "
                "so its authors are unknown."
            )
        head = required_text(pull, "head", "sha")
        pushes = await self._pushes(repository, pull, {head, *(text(commit, "sha") for commit in commits)})
        authors = with_pushers(commit_authors(commits), pushes, head)
        opened_by = text(pull, "user", "login") or "ghost"
        return replace(authors, logins=tuple(sorted({*authors.logins, opened_by})))

    async def _pushes(self, repository: Repository, pull: object, commits: set[str]) -> Sequence[object]:
        """Pushes of the commits to the pull request's branch; none where GitHub does not show them."""
        full_name, branch = text(pull, "head", "repo", "full_name"), text(pull, "head", "ref")
        if not full_name:
            return ()
        try:
            return await list_pushes(self._client, repository, full_name, branch, commits)
        except Rejected:
            return ()


def read_pull_request(data: object, installation_id: int) -> PullRequest:
    """Tolerates fields that deleted accounts and forks lack; raises Unavailable when required ones lack."""
    base = dig(data, "base", "repo")
    merged = flag(data, "merged") or bool(text(data, "merged_at"))
    return PullRequest(
        repository=Repository(
            id=required_number(base, "id"),
            installation_id=installation_id,
            owner=required_text(base, "owner", "login"),
            name=required_text(base, "name"),
        ),
        number=required_number(data, "number"),
        node_id=required_text(data, "node_id"),
        repository_node_id=required_text(base, "node_id"),
        title=text(data, "title"),
        author=text(data, "user", "login") or "ghost",
        author_is_bot=text(data, "user", "type") == "Bot",
        open=required_text(data, "state") == "open",
        merged=merged,
        draft=flag(data, "draft"),
        head_sha=required_text(data, "head", "sha"),
        head_ref=text(data, "head", "ref"),
        head_repository_id=number(data, "head", "repo", "id"),
        base_ref=text(data, "base", "ref"),
        default_branch=text(base, "default_branch"),
        labels=tuple(text(label, "name") for label in items(data, "labels")),
        updated_at=timestamp(data, "updated_at") or _EPOCH,
        head_owner=text(data, "head", "repo", "owner", "login"),
        archived=flag(base, "archived"),
        closed_at=timestamp(data, "closed_at"),
        created_at=timestamp(data, "created_at"),
        merge_commit=text(data, "merge_commit_sha") or None if merged else None,
    )
