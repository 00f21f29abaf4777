"""Finds objects that an interrupted run may have created, by authorship and marker."""

from __future__ import annotations

from typing import Any

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import dig, number, required_text, text
from bot.github.reporter.pending_writes import Receipt, ReceiptEntry, Slot, WriteKind
from bot.github.reporter.subject import Subject
from bot.model.repository import Repository


class Recovery:
    """Completes receipts whose creations have an unknown result."""

    def __init__(self, client: GitHubClient, app_id: int) -> None:
        self._client = client
        self._app_id = app_id
        self._slug = ""

    async def recover(self, subject: Subject, receipt: Receipt) -> Receipt:
        """The receipt without unconfirmed slots: existing objects get their id, absent ones are dropped."""
        for slot in receipt.unconfirmed:
            existing = await self._find(subject, slot)
            if existing is None:
                receipt = receipt.without(slot)
            else:
                id, url = required_text(existing, "node_id"), receipt.entries[slot].url
                receipt = receipt.with_entry(slot, ReceiptEntry(id, "", True, url))
        return receipt

    async def _find(self, subject: Subject, slot: Slot) -> Any | None:
        if slot.kind is WriteKind.COMMENT:
            assert subject.pull is not None, "a comment is on a pull request"
            return await self.find_comment(subject.repository, subject.pull.number, subject.marker)
        if slot.kind is WriteKind.CHECK:
            return await self._check_run(subject, slot)
        return await self._deployment(subject, slot)

    async def find_comment(self, repository: Repository, number: int, marker: str) -> Any | None:
        """Our comment on the pull request with the marker."""
        path = f"/repos/{repository.full_name}/issues/{number}/comments"
        async for page in self._client.pages(repository.installation_id, path):
            for comment in page:
                if marker in text(comment, "body") and await self.is_ours(comment, "user"):
                    return comment
        return None

    async def _check_run(self, subject: Subject, slot: Slot) -> Any | None:
        repository = subject.repository
        path = f"/repos/{repository.full_name}/commits/{slot.commit}/check-runs"
        query = {"check_name": slot.name, "filter": "all"}
        runs = [
            run
            async for page in self._client.pages(repository.installation_id, path, query, key="check_runs")
            for run in page
            if number(run, "app", "id") == self._app_id
            and text(run, "external_id") == subject.external_id(slot)
        ]
        return min(runs, key=lambda run: number(run, "id") or 0, default=None)

    async def _deployment(self, subject: Subject, slot: Slot) -> Any | None:
        repository = subject.repository
        path = f"/repos/{repository.full_name}/deployments"
        query = {"sha": slot.commit, "environment": subject.deployment_environment}
        async for page in self._client.pages(repository.installation_id, path, query):
            for deployment in page:
                named = text(deployment, "payload", "greenroom") == subject.name
                if named and await self.is_ours(deployment, "creator"):
                    return deployment
        return None

    async def is_ours(self, data: object, author: str) -> bool:
        """Whether our App created the object; by its bot's login if GitHub does not return the App."""
        app = dig(data, "performed_via_github_app")
        if app is not None:
            return number(app, "id") == self._app_id
        if text(data, author, "type") != "Bot":
            return False
        return text(data, author, "login") == f"{await self._app_slug()}[bot]"

    async def is_our_bot(self, actor: object) -> bool:
        """Whether an actor of the GraphQL API is our App, with or without the suffix of bots."""
        login = text(actor, "login").removesuffix("[bot]")
        return text(actor, "__typename") == "Bot" and login == await self._app_slug()

    async def _app_slug(self) -> str:
        if not self._slug:
            self._slug = required_text((await self._client.get(None, "/app")).json(), "slug")
        return self._slug
