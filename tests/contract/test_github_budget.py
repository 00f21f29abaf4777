"""Calls to GitHub stay few with many installations, ended Deployments and invisible pull requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.embedded.github.operations.deployments import Actor
from bot.environments.policy import Policy
from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from tests.bench import installations
from tests.contract.github_harness import GitHubHarness, shop_harness
from tests.stores import ManualClock, new_store
from tests.unit.environments.simulation import SHOP, Simulation


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    async with shop_harness() as harness:
        yield harness


@pytest.mark.long
async def test_unusable_installations_do_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installations, "INSTALLATIONS", 12)
    monkeypatch.setattr(installations, "UNUSABLE", 2)
    monkeypatch.setattr(installations, "INTERVAL", timedelta(seconds=10))
    figures = await installations.bench()
    assert figures.met, [str(goal) for goal in figures.goals]


def deploy(harness: GitHubHarness, number: int, state: str, head: str) -> None:
    app = harness.github.apps.app
    actor = Actor(app.bot_login, app.slug)
    fields = {
        "environment": "preview",
        "payload": {"greenroom": str(EnvironmentKey.preview(harness.repository.id, number))},
        "required_contexts": [],
        "auto_merge": False,
    }
    made = harness.github.deployments.create("acme/shop", head, actor, fields)
    harness.github.deployments.add_status(made, actor, {"state": state, "auto_inactive": False})


async def test_ended_deployments_are_read_in_pages_and_once(harness: GitHubHarness) -> None:
    head = (await harness.pull()).head_sha
    deploy(harness, 1, "success", head)
    for number in range(2, 252):
        deploy(harness, number, "inactive", head)
    deploy(harness, 900, "success", head)
    deploy(harness, 901, "success", head)
    deployments = harness.app.deployments
    harness.github.requests.clear()
    assert await deployments.active_deployments(harness.repository, {901}) == {1, 900}
    assert harness.api_calls().count("POST /graphql") == 3
    assert len(harness.api_calls()) == 4

    harness.github.requests.clear()
    assert await deployments.active_deployments(harness.repository, {901}) == {1, 900}
    assert len(harness.api_calls()) <= 3, "number 1 is still active"


async def test_settled_deployments_are_not_read_again(harness: GitHubHarness) -> None:
    head = (await harness.pull()).head_sha
    for number in range(1, 202):
        deploy(harness, number, "inactive", head)
    harness.github.world.clock = harness.clock
    harness.clock.ahead += timedelta(seconds=10)
    deploy(harness, 299, "inactive", head)
    deployments = harness.app.deployments
    assert await deployments.active_deployments(harness.repository, ()) == set()
    harness.clock.ahead += timedelta(seconds=10)
    for number in range(300, 310):
        deploy(harness, number, "success" if number == 305 else "inactive", head)
    harness.github.requests.clear()
    assert await deployments.active_deployments(harness.repository, ()) == {305}
    assert harness.api_calls().count("POST /graphql") == 1


async def test_deleted_installation_is_asked_for_once(harness: GitHubHarness) -> None:
    await harness.pull()
    harness.github.apps.uninstall(harness.repository.installation_id, by="ben")
    harness.github.requests.clear()
    for number in range(1, 51):
        with pytest.raises(Rejected):
            await harness.app.pull_requests.pull_request(harness.repository, number)
    assert len(harness.api_calls()) <= 3


async def test_deleted_repository_is_asked_for_once(harness: GitHubHarness) -> None:
    await harness.pull()
    harness.github.repositories.delete("acme/shop", by="ben")
    harness.github.requests.clear()
    for number in range(1, 51):
        with pytest.raises(Rejected, match="cannot see"):
            await harness.app.pull_requests.pull_request(harness.repository, number)
    assert len(harness.api_calls()) <= 3


async def test_unsuspended_installation_is_used_at_once(harness: GitHubHarness) -> None:
    id = harness.repository.installation_id
    harness.github.apps.suspend(id, by="ben")
    await harness.restart()
    for _ in range(2):
        with pytest.raises(Rejected, match="suspended"):
            await harness.pull()
    harness.github.apps.unsuspend(id, by="ben")
    await harness.app.installations.list_all()
    assert (await harness.pull()).number == 1


async def test_invisible_pull_request_is_read_with_backoff(tmp_path: Path, clock: ManualClock) -> None:
    store = await new_store(tmp_path / "greenroom.db", clock)
    simulation = Simulation(store, clock, Policy(default_ttl=timedelta(days=14)))
    await simulation.open(1)
    simulation.github.error = Rejected("The App cannot see acme/shop.")
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 1, None, open=None)])
    reads, end = 0, clock() + timedelta(days=7)
    while clock() < end:
        for claim in await store.queue.claim("test", 9, 60):
            reads += claim.key.subject == str(EnvironmentKey.preview(SHOP.id, 1))
            again_at = await simulation.handlers["environment"](claim)
            await store.queue.finish(claim, again_at)
        due = await store.queue.next_due()
        assert due is not None
        clock.advance(max((due - clock()).total_seconds(), 1))
    assert 10 <= reads <= 30
    await store.close()
