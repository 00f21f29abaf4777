"""Check runs on merge groups: completed at once, and each only once."""

from __future__ import annotations

from collections.abc import Sequence

from bot.environments.ports import Fence
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number, text
from bot.github.messages.environment import merge_group
from bot.github.reporter.plan import check_name
from bot.github.reporter.subject import PREVIEW_CHECK
from bot.model.repository import Repository


class MergeGroups:
    """Reports on merge groups."""

    def __init__(self, client: GitHubClient, app_id: int) -> None:
        self._client = client
        self._app_id = app_id

    async def report_merge_group(
        self, repository: Repository, commit: str, checks: Sequence[str], fence: Fence
    ) -> None:
        base, output = f"/repos/{repository.full_name}", merge_group()
        pages = self._client.pages(
            repository.installation_id, f"{base}/commits/{commit}/check-runs", key="check_runs"
        )
        existing = {
            text(run, "name")
            async for page in pages
            for run in page
            if number(run, "app", "id") == self._app_id
        }
        for name in (PREVIEW_CHECK, *map(check_name, checks)):
            if name in existing:
                continue
            body = {
                "name": name,
                "head_sha": commit,
                "external_id": f"merge-group/{commit}",
                "status": "completed",
                "conclusion": "neutral",  # satisfies a required check
                "output": {"title": output.title, "summary": output.summary},
            }
            await self._client.post(repository.installation_id, f"{base}/check-runs", body, fence)
