"""Our Deployments on GitHub, including those that no receipt contains."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from typing import Any

from cachetools import LRUCache

from bot.environments.ports import Fence
from bot.github.client.connection import Params
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import dig, flag, items, required_number, required_text, text
from bot.github.messages import environment as texts
from bot.github.reporter.recovery import Recovery
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.errors import Unavailable
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

_REMEMBERED = 50_000
_NEWEST_FIRST = """
query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    deployments(first: 100, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { payload createdAt creator { __typename login } latestStatus { state } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


class Deployments:
    """Lists active Deployments of previews and sets them to inactive."""

    def __init__(self, client: GitHubClient, recovery: Recovery) -> None:
        self._client = client
        self._recovery = recovery
        self._settled: LRUCache[int, str] = LRUCache(_REMEMBERED)
        """Time by repository; our Deployments that were created before it are inactive permanently."""

    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> set[int]:
        """Numbers of pull requests with an active Deployment of ours, without those in `standing`.

        The first call reads all Deployments, later calls the newest ones.
        """
        numbers: set[int] = set()
        settled, newest, unsettled = self._settled.get(repository.id, ""), "", []
        async for deployment in self._newest_first(repository):
            created_at, state = text(deployment, "createdAt"), text(deployment, "latestStatus", "state")
            newest = newest or created_at
            if created_at < settled:
                break
            key = _preview(repository, _decoded(text(deployment, "payload")))
            if key is None or state == "INACTIVE":
                continue
            if not await self._recovery.is_our_bot(dig(deployment, "creator")):
                continue
            unsettled.append(created_at)
            if state and int(key.name) not in standing:
                numbers.add(int(key.name))
        self._settled[repository.id] = min([*unsettled, newest or settled])
        return numbers

    async def _newest_first(self, repository: Repository) -> AsyncIterator[object]:
        variables: dict[str, object] = {"owner": repository.owner, "name": repository.name, "after": None}
        while True:
            data = await self._client.graphql_query(repository.installation_id, _NEWEST_FIRST, variables)
            page = dig(data, "repository", "deployments")
            if not isinstance(dig(page, "nodes"), list):
                raise Unavailable("GitHub's response is not a list of Deployments.")
            for deployment in items(page, "nodes"):
                yield deployment
            if not flag(page, "pageInfo", "hasNextPage"):
                return
            variables["after"] = required_text(page, "pageInfo", "endCursor")

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        """Sets our Deployments of the environment to inactive; returns how many were active."""
        repository, retired = pull.repository, 0
        async for page in self._pages(repository, {}):
            for deployment in page:
                if _preview(repository, dig(deployment, "payload")) == key and await self._is_active(
                    repository, deployment
                ):
                    body = {
                        "state": "inactive",
                        "description": texts.deployment_retired(),
                        "auto_inactive": False,
                    }
                    await self._client.post(
                        repository.installation_id, _statuses(repository, deployment), body, fence
                    )
                    retired += 1
        return retired

    async def _pages(self, repository: Repository, query: Params) -> AsyncIterator[list[Any]]:
        path = f"/repos/{repository.full_name}/deployments"
        async for page in self._client.pages(repository.installation_id, path, query):
            yield page

    async def _is_active(self, repository: Repository, deployment: object) -> bool:
        if not await self._recovery.is_ours(deployment, "creator"):
            return False
        path = _statuses(repository, deployment)
        statuses = (await self._client.get(repository.installation_id, path, {"per_page": 1})).json()
        newest = statuses[0] if isinstance(statuses, list) and statuses else None
        return newest is not None and text(newest, "state") != "inactive"


def _preview(repository: Repository, payload: object) -> EnvironmentKey | None:
    """The preview that a payload names, in whatever GitHub Environment; anybody can write a payload."""
    try:
        key = EnvironmentKey.parse(text(payload, "greenroom"))
    except ValueError:
        return None
    is_preview = key.kind is EnvironmentKind.PREVIEW and key.repository_id == repository.id
    return key if is_preview and key.name.isdecimal() else None


def _decoded(payload: str) -> object:
    """GraphQL returns a payload as JSON text, on some servers in a JSON string."""
    try:
        decoded = json.loads(payload)
        return json.loads(decoded) if isinstance(decoded, str) else decoded
    except ValueError:
        return None


def _statuses(repository: Repository, deployment: object) -> str:
    return f"/repos/{repository.full_name}/deployments/{required_number(deployment, 'id')}/statuses"
