"""Our Deployments on GitHub, including those that no receipt contains."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection
from typing import Any

from cachetools import LRUCache

from bot.environments.ports import Fence
from bot.github.client.connection import Params
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import required_number, text
from bot.github.messages import environment as texts
from bot.github.reporter.plan import preview_environment
from bot.github.reporter.recovery import Recovery
from bot.model.environment import EnvironmentKey
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

_PREVIEW = re.compile(r"preview/pr-([1-9][0-9]{0,9})")
_REMEMBERED = 50_000


class Deployments:
    """Lists active Deployments of previews and sets them to inactive."""

    def __init__(self, client: GitHubClient, recovery: Recovery) -> None:
        self._client = client
        self._recovery = recovery
        self._inactive: LRUCache[int, bool] = LRUCache(_REMEMBERED)
        """Ids of inactive Deployments, which are not read again."""

    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> set[int]:
        """Numbers of pull requests with an active Deployment of ours, without those in `standing`."""
        numbers: set[int] = set()
        async for page in self._pages(repository, {}):
            for deployment in page:
                match = _PREVIEW.fullmatch(text(deployment, "environment"))
                if match is None or int(match[1]) in standing or int(match[1]) in numbers:
                    continue
                id = required_number(deployment, "id")
                if self._inactive.get(id):
                    continue
                if await self._is_active(repository, deployment):
                    numbers.add(int(match[1]))
                else:
                    self._inactive[id] = True
        return numbers

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        """Sets our Deployments of the environment to inactive; returns how many were active."""
        environment = preview_environment(int(key.name))
        repository, retired = pull.repository, 0
        async for page in self._pages(repository, {"environment": environment}):
            for deployment in page:
                if await self._is_active(repository, deployment):
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


def _statuses(repository: Repository, deployment: object) -> str:
    return f"/repos/{repository.full_name}/deployments/{required_number(deployment, 'id')}/statuses"
