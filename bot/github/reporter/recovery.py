"""Finds on GitHub what a run that died may have created: by our own authorship, never by a marker alone."""

from __future__ import annotations

from typing import Any

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import dig, items, number, required_text, text
from bot.github.reporter.pending_writes import Receipt, ReceiptEntry, Slot, WriteKind
from bot.github.reporter.subject import Subject
from bot.model.repository import Repository


class Recovery:
    def __init__(self, client: GitHubClient, app_id: int) -> None:
        self._client = client
        self._app_id = app_id
        self._login = ""

    async def recover(self, subject: Subject, receipt: Receipt) -> Receipt:
        """The receipt with nothing unknown: what is there has its id, what is not is dropped."""
        for slot in receipt.unconfirmed:
            found = await self._find(subject, slot)
            known = receipt.entries[slot]
            if found is None:
                receipt = receipt.without(slot)
            else:
                receipt = receipt.with_entry(
                    slot, ReceiptEntry(required_text(found, "node_id"), "", True, known.url)
                )
        return receipt

    async def _find(self, subject: Subject, slot: Slot) -> Any | None:
        if slot.kind is WriteKind.COMMENT:
            assert subject.pull is not None, "a comment is on a pull request"
            return await self.find_comment(subject.repository, subject.pull.number, subject.marker)
        if slot.kind is WriteKind.CHECK:
            return await self._check_run(subject, slot)
        return await self._deployment(subject, slot)

    async def find_comment(self, repository: Repository, number: int, mark: str) -> Any | None:
        """Our comment on the pull request that has the mark."""
        path = f"/repos/{repository.full_name}/issues/{number}/comments"
        async for page in self._client.pages(repository.installation_id, path):
            for comment in page:
                if mark in text(comment, "body") and await self.is_ours(comment, "user"):
                    return comment
        return None

    async def _check_run(self, subject: Subject, slot: Slot) -> Any | None:
        repository = subject.repository
        path = f"/repos/{repository.full_name}/commits/{slot.commit}/check-runs"
        asked = {"check_name": slot.name, "filter": "all"}
        found = [
            run
            async for page in self._client.pages(repository.installation_id, path, asked)
            for run in items(page, "check_runs")
            if number(run, "app", "id") == self._app_id
            and text(run, "external_id") == subject.external_id(slot)
        ]
        return min(found, key=lambda run: number(run, "id") or 0, default=None)

    async def _deployment(self, subject: Subject, slot: Slot) -> Any | None:
        repository = subject.repository
        path = f"/repos/{repository.full_name}/deployments"
        asked = {"sha": slot.commit, "environment": subject.deployment_environment}
        async for page in self._client.pages(repository.installation_id, path, asked):
            for deployment in page:
                named = text(deployment, "payload", "greenroom") == subject.name
                if named and await self.is_ours(deployment, "creator"):
                    return deployment
        return None

    async def is_ours(self, thing: object, author: str) -> bool:
        """By the App it was made through; by its bot's login where the server does not tell the App."""
        via = dig(thing, "performed_via_github_app")
        if via is not None:
            return number(via, "id") == self._app_id
        if text(thing, author, "type") != "Bot":
            return False
        if not self._login:
            app = (await self._client.get(None, "/app")).json()
            self._login = f"{required_text(app, 'slug')}[bot]"
        return text(thing, author, "login") == self._login
