"""The issue that reports the drift of a stage: one per stage, kept current, closed when there is none."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from bot.environments.ports import Fence
from bot.github.client.failures import Gone, NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number, text
from bot.github.messages.drift import closed_body, drift_marker, issue_body, issue_title
from bot.github.reporter.recovery import Recovery
from bot.infrastructure.drift.ports import SaveDrift
from bot.model.drift import DriftRecord, DriftState
from bot.model.errors import Rejected
from bot.model.repository import Repository

_CREATING = 0
_OPEN, _CLOSED = "open", "closed"


class DriftIssues:
    def __init__(self, client: GitHubClient, recovery: Recovery) -> None:
        self._client = client
        self._recovery = recovery

    async def report_drift(self, record: DriftRecord, fence: Fence, save: SaveDrift) -> None:
        """Writes the issue unless it shows the record. While the state is unknown, it stays as it is."""
        if record.state is DriftState.UNKNOWN:
            return
        content = _content(record)
        digest = _digest(content)
        never = record.issue is None and content["state"] == _CLOSED
        if never or digest == record.issue_digest:
            return
        try:
            await self._write(record, content, digest, fence, save)
        except Rejected as error:
            await save(replace(record, issue_problem=str(error)))

    async def _write(
        self, record: DriftRecord, content: dict[str, str], digest: str, fence: Fence, save: SaveDrift
    ) -> None:
        issue = record.issue
        if issue == _CREATING:
            issue = await self._find(record)
        if issue is not None:
            try:
                await self._update(record.repository, issue, content, fence)
            except (NotFound, Gone):
                issue = None  # a user deleted it
        if issue is None:
            if content["state"] == _CLOSED:
                await save(replace(record, issue=None, issue_digest="", issue_problem=""))
                return
            # Recorded before the write: a run that finds no number searches for the issue first.
            record = replace(record, issue=_CREATING, issue_digest="")
            await save(record)
            path = f"/repos/{record.repository.full_name}/issues"
            body = {"title": content["title"], "body": content["body"]}
            reply = await self._client.post(record.repository.installation_id, path, body, fence)
            issue = number(reply.json(), "number")
        await save(replace(record, issue=issue, issue_digest=digest, issue_problem=""))

    async def _update(
        self, repository: Repository, issue: int, content: dict[str, str], fence: Fence
    ) -> None:
        path = f"/repos/{repository.full_name}/issues/{issue}"
        await self._client.patch(repository.installation_id, path, content, fence)

    async def _find(self, record: DriftRecord) -> int | None:
        """Our issue with the stage's marker."""
        repository, marker = record.repository, drift_marker(record)
        path = f"/repos/{repository.full_name}/issues"
        async for page in self._client.pages(repository.installation_id, path, {"state": "all"}):
            for issue in page:
                if marker in text(issue, "body") and await self._recovery.is_ours(issue, "user"):
                    return number(issue, "number")
        return None


def _content(record: DriftRecord) -> dict[str, str]:
    if record.state is DriftState.DRIFTED:
        return {"title": issue_title(record), "body": issue_body(record), "state": _OPEN}
    return {"title": issue_title(record), "body": closed_body(record), "state": _CLOSED}


def _digest(content: dict[str, str]) -> str:
    """Without the time of the last comparison, so that an issue is not written in each round."""
    shown = content["body"] if content["state"] == _OPEN else ""
    return hashlib.sha256(f"{content['state']} {content['title']} {shown}".encode()).hexdigest()[:16]
