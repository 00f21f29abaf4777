"""Installations of the App, their repositories, and failed webhook deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from cachetools import LRUCache

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import dig, items, number, required_number, required_text, text, timestamp
from bot.model.delivery import FailedDelivery
from bot.model.errors import Rejected, Unavailable
from bot.model.installation import Installation
from bot.model.repository import Repository

log = structlog.get_logger()

_REMEMBERED = 10_000


class Installations:
    """Reads complete lists: a call raises when a part cannot be read."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._deleted: LRUCache[int, bool] = LRUCache(_REMEMBERED)
        """Installations that no longer exist; GitHub uses no id twice."""

    async def list_all(self) -> Sequence[Installation]:
        pages = self._client.pages(None, "/app/installations")
        installations = [read_installation(item) async for page in pages for item in page]
        self._client.forget_refusals(item.id for item in installations if not item.suspended)
        return installations

    async def exists(self, installation_id: int) -> bool:
        """False only when GitHub accepts the App's key and returns 404 for the installation."""
        if installation_id in self._deleted:
            return False
        try:
            await self._client.get(None, f"/app/installations/{installation_id}")
        except NotFound:
            required_number((await self._client.get(None, "/app")).json(), "id")
            self._deleted[installation_id] = True
            return False
        return True

    async def access_lost(self, repository: Repository) -> bool:
        """Whether GitHub's answers show that the App can no longer see the repository.

        False when the installation is suspended or lists no repository at all: neither is evidence.
        """
        try:
            if not await self.exists(repository.installation_id):
                return True
            visible = await self.repositories_of(repository.installation_id)
        except Rejected as error:
            log.warning("repositories of the installation not listed", reason=str(error))
            return False
        return bool(visible) and all(listed.id != repository.id for listed in visible)

    async def repositories_of(self, installation_id: int) -> Sequence[Repository]:
        repositories: list[Repository] = []
        path = "/installation/repositories"
        async for page in self._client.pages(installation_id, path, key="repositories"):
            repositories += [read_repository(item, installation_id) for item in page]
        return repositories

    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        """The latest attempt of each undelivered webhook since then, oldest first."""
        attempts: list[Any] = []
        async for page in self._client.pages(None, "/app/hook/deliveries"):
            recent = [item for item in page if _at(item) >= since]
            attempts += recent
            if len(recent) < len(page):
                break
        return undelivered(attempts)

    async def redeliver(self, delivery: FailedDelivery) -> None:
        await self._client.post_as_app(f"/app/hook/deliveries/{delivery.id}/attempts")


def undelivered(attempts: Sequence[Mapping[str, Any]]) -> Sequence[FailedDelivery]:
    """From attempts, newest first: the latest one of each guid without a successful attempt, oldest first."""
    delivered = {
        text(attempt, "guid") for attempt in attempts if 200 <= (number(attempt, "status_code") or 0) < 300
    }
    newest: dict[str, FailedDelivery] = {}
    for attempt in attempts:
        guid = text(attempt, "guid")
        if guid in delivered or guid in newest:
            continue
        newest[guid] = FailedDelivery(required_number(attempt, "id"), guid, _at(attempt))
    return list(reversed(newest.values()))


def read_installation(data: object) -> Installation:
    return Installation(
        id=required_number(data, "id"),
        account=text(data, "account", "login"),
        suspended=bool(text(data, "suspended_at")),
        permissions=permission_levels(data),
        events=frozenset(str(event) for event in items(data, "events")),
    )


def permission_levels(data: object) -> Mapping[str, str]:
    levels = dig(data, "permissions")
    return {str(name): str(level) for name, level in levels.items()} if isinstance(levels, Mapping) else {}


def read_repository(data: object, installation_id: int) -> Repository:
    return Repository(
        id=required_number(data, "id"),
        installation_id=installation_id,
        owner=required_text(data, "owner", "login"),
        name=required_text(data, "name"),
    )


def _at(delivery: object) -> datetime:
    at = timestamp(delivery, "delivered_at")
    if at is None:
        raise Unavailable("GitHub's list of deliveries lacks delivered_at.")
    return at
