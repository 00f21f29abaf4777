"""Checks on commits of a merge queue: on GitHub over HTTP, and from the delivery to the work queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.embedded.github import GitHubServer
from bot.environments.merge_queue import MergeQueue
from bot.intake.parser import parse_delivery
from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.store import Store
from tests.contract.github_harness import GitHubHarness
from tests.webhooks import fixture

CONFIGURED = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
route: {service: shop, port: 80}
preview: {checks: [{http: /healthz}]}
"""
NEUTRAL = {"greenroom/preview": "neutral", "greenroom/http-healthz": "neutral"}


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", {".greenroom.yml": CONFIGURED})
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {"price.txt": "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


class Repositories:
    """The one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def repository(self, repository_id: int) -> Repository | None:
        return self._repository if repository_id == self._repository.id else None


async def handle(harness: GitHubHarness, commit: str) -> None:
    async def check(_: Claim) -> None:
        await harness.fence()

    app = harness.app
    queue = MergeQueue(Repositories(harness.repository), app.contents, app.merge_groups, check)
    key = WorkKey.merge_group(harness.repository.id, commit)
    await queue(Claim(key, 1, 0, datetime.now(UTC)))


async def test_merge_group_gets_every_check_once(harness: GitHubHarness) -> None:
    commit = harness.github.pulls.queue("acme/shop", 1, by="ben")
    for _ in range(2):
        await handle(harness, commit)
        assert harness.checks(commit) == NEUTRAL
    assert harness.fences == 2


async def test_interrupted_report_is_completed(harness: GitHubHarness) -> None:
    commit = harness.github.pulls.queue("acme/shop", 1, by="ben")
    harness.github.faults.add("error_after", times=1, method="POST", path=r"/check-runs$", status=502)
    with pytest.raises(Exception, match="502"):
        await handle(harness, commit)
    await handle(harness, commit)
    assert harness.checks(commit) == NEUTRAL


async def test_repository_without_configuration_gets_no_check(harness: GitHubHarness) -> None:
    harness.github.repositories.push("acme/shop", "main", {"a": "b"}, by="ben", delete=[".greenroom.yml"])
    commit = harness.github.pulls.queue("acme/shop", 1, by="ben")
    await handle(harness, commit)
    assert harness.checks(commit) == {}


async def test_commit_that_no_longer_exists_ends_the_work(harness: GitHubHarness) -> None:
    with pytest.raises(Rejected):
        await harness.app.merge_groups.report_merge_group(harness.repository, "f" * 40, [], harness.fence)
    await handle(harness, "f" * 40)


async def test_delivery_of_a_merge_group_is_queued(store: Store) -> None:
    body = fixture("merge_group.checks_requested").body
    parsed = parse_delivery("merge_group", "guid", body, datetime.now(UTC))
    await store.deliveries.record(parsed.delivery, parsed.effects)
    [claim] = await store.queue.claim("test", 10, 60)
    repository_id, _, commit = claim.key.subject.partition("/")
    assert (claim.key.kind, commit) == ("merge-group", "682f1077c614e34474addc628c37e6faa828e6a3")
    assert await store.deliveries.repository(int(repository_id)) is not None
