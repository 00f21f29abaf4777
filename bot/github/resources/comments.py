"""Comments with commands: read, acknowledged and answered."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.commands.outcome import Outcome, StatusAnswer
from bot.commands.ports import SaveAnswer
from bot.environments.ports import Fence
from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import required_text, text, timestamp
from bot.github.messages.commands import answer, command_marker
from bot.github.reporter.recovery import Recovery
from bot.github.resources.visibility import require_visible
from bot.model.command import PostedComment, RecordedCommand
from bot.model.repository import Repository

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Comments:
    """Reads comments, adds reactions and answers exactly once."""

    def __init__(self, client: GitHubClient, recovery: Recovery) -> None:
        self._client = client
        self._recovery = recovery

    async def comment(self, repository: Repository, comment_id: int) -> PostedComment | None:
        """None only when the App can see the repository and it has no such comment."""
        try:
            reply = await self._client.get(repository.installation_id, _path(repository, comment_id))
        except NotFound:
            await require_visible(self._client, repository)
            return None
        data = reply.json()
        _, _, issue = text(data, "issue_url").rpartition("/")
        return PostedComment(
            body=text(data, "body"),
            author=text(data, "user", "login") or "ghost",
            by_bot=text(data, "user", "type") == "Bot" or await self._recovery.is_ours(data, "user"),
            created_at=timestamp(data, "created_at") or _EPOCH,
            number=int(issue) if issue.isdecimal() else None,
        )

    async def acknowledge(self, repository: Repository, comment_id: int, fence: Fence) -> None:
        path = f"{_path(repository, comment_id)}/reactions"
        await self._client.post(repository.installation_id, path, {"content": "eyes"}, fence)

    async def answer(
        self,
        command: RecordedCommand,
        outcome: Outcome,
        status: StatusAnswer | None,
        fence: Fence,
        save: SaveAnswer,
    ) -> None:
        """Answers in a new comment, exactly once: an earlier run's comment is searched for first."""
        repository = command.repository
        if command.answer:
            return
        if command.answer == "":
            marker = command_marker(command.comment_id)
            existing = await self._recovery.find_comment(repository, command.number, marker)
            if existing is not None:
                await save(required_text(existing, "node_id"))
                return
        await save("")
        path = f"/repos/{repository.full_name}/issues/{command.number}/comments"
        body = answer(outcome, status, command.comment_id, command.page)
        reply = await self._client.post(repository.installation_id, path, {"body": body}, fence)
        await save(required_text(reply.json(), "node_id"))


def _path(repository: Repository, comment_id: int) -> str:
    return f"/repos/{repository.full_name}/issues/comments/{comment_id}"
