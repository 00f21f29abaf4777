"""The store is lost, replaced by another one, or restored from an older backup."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cluster.client.kinds import CONFIG_MAP, NAMESPACE
from bot.cluster.names import APP, ENVIRONMENT, GENERATION, MANAGED_BY, MANAGER, SNAPSHOT
from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.samples import SEED
from bot.model.environment import EnvironmentKey
from bot.model.naming import namespace_name
from bot.model.promotion import PromotionState as State
from bot.store import Store
from tests.story.blocked_promotions import BlockedPromotion, blocked_promotion
from tests.story.conftest import (
    PATIENCE_SECONDS,
    Scenario,
    Site,
    also_on_node,
    embedded_only,
    eventually,
    real_and_node,
)
from tests.story.test_data import write

_OTHER_APP = "987654"
_WAITING = "Another store"
_SOON = 30
"""Seconds until a change is in the namespace, on a busy machine."""


@contextlib.asynccontextmanager
async def with_store(site: Site, database: Path) -> AsyncIterator[Site]:
    """The same site with another database. The bot was killed before."""
    settings = {**site.settings, "GREENROOM_DATABASE_URL": f"sqlite:///{database}"}
    try:
        async with BotProcess(site.bot.port, settings, site.bot.log) as bot:
            yield replace(site, bot=bot, database=database, settings=settings)
    finally:
        await site.bot.start()


def back_up(database: Path, copy: Path) -> None:
    """Backs up the store by the commands of docs/running.md."""
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(copy)) as to,
    ):
        source.backup(to)


@real_and_node
@pytest.mark.timeout(300)
async def test_previews_in_every_state_survive_the_store(scenario: Scenario, tmp_path: Path) -> None:
    site = scenario.site
    ready = await scenario.open("ready", _own(scenario, "ready"))
    asleep = await scenario.open("asleep", _own(scenario, "asleep"))
    failing = {**_own(scenario, "failed"), SEED: b"not JSON"}
    failed = await scenario.open("failed", failing)
    allowed = await scenario.fork(_own(scenario, "allowed", "night"), "allowed")
    held = await scenario.fork(_own(scenario, "held", "autumn"), "held")
    await scenario.comment_with(allowed, "This pull request has no preview")
    await scenario.comment_with(held, "This pull request has no preview")
    await scenario.comment(allowed, "/preview")
    for number in (ready, asleep, allowed):
        await scenario.wait_until_ready(number)
    await scenario.comment_with(failed, "failed")
    await scenario.comment(asleep, "/sleep")
    await scenario.comment_with(asleep, "is asleep")
    await write(scenario, ready, "Kept by the pull request.")
    await write(scenario, allowed, "Kept by the fork.")
    comments = {number: len(scenario.comments(number)) for number in (ready, asleep, failed, allowed, held)}
    other = await another_installation(scenario, held)

    under_way = await scenario.open("under-way", _own(scenario, "under-way"))
    await _exists(scenario, under_way)
    await site.bot.kill()
    gone = await scenario.open("pushed", _own(scenario, "pushed"))
    pushed = await scenario.push("ready", scenario.files("autumn"))

    async with with_store(site, tmp_path / "new.db"):
        for number in (under_way, gone, ready, allowed):
            await scenario.wait_until_ready(number)
            await _reported_once(scenario, number)
        assert scenario.head(ready) == pushed
        assert "Kept by the pull request." in (await scenario.page(ready)).text
        assert "Kept by the fork." in (await scenario.page(allowed)).text
        await scenario.comment_with(asleep, "is asleep")
        await scenario.comment_with(failed, "failed")
        await scenario.comment_with(held, "This pull request has no preview")
        await scenario.push("ready", scenario.files("night"))
        await scenario.wait_until_ready(ready)
        assert {number: len(scenario.comments(number)) for number in comments} == comments
        assert await scenario.world.client.get(NAMESPACE, other["metadata"]["name"]) == other

    await scenario.world.client.delete(NAMESPACE, other["metadata"]["name"])
    # The first store is active again, and far behind.
    await scenario.push("ready", scenario.files("spring"))
    await scenario.wait_until_ready(ready)
    assert "Kept by the pull request." in (await scenario.page(ready)).text
    assert {number: len(scenario.comments(number)) for number in comments} == comments


async def another_installation(scenario: Scenario, number: int) -> dict[str, Any]:
    """A namespace of another App for the same pull request, with a permission that counts only there."""
    client, key = (
        scenario.world.client,
        EnvironmentKey.preview(scenario._names(number)[0].repository_id, number),
    )
    labels = {MANAGED_BY: MANAGER, ENVIRONMENT: key.label, APP: _OTHER_APP}
    head = scenario.head(number)
    snapshot = f'{{"version":1,"snapshot":{{"generation":99,"overrides":{{"allowed_commit":"{head}"}}}}}}'
    annotations = {GENERATION: "99", SNAPSHOT: snapshot, "greenroom.dev/repository": scenario.repository}
    name = f"other-{scenario.namespace(number)}"
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    await client.create(NAMESPACE, {"metadata": metadata})
    await client.create(CONFIG_MAP, {"metadata": {"name": "theirs", "labels": labels}}, name)
    await asyncio.sleep(0.5)
    return await client.get(NAMESPACE, name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("site", "state"),
    [
        pytest.param("real", State.AWAITING_APPROVAL, marks=pytest.mark.cluster),
        pytest.param("real", State.DEPLOYING, marks=pytest.mark.cluster),
        pytest.param("real", State.ROLLING_BACK, marks=pytest.mark.cluster),
        pytest.param("node", State.DEPLOYING, marks=pytest.mark.node),
    ],
    indirect=["site"],
)
async def test_promotion_survives_the_store(small: Scenario, tmp_path: Path, state: State) -> None:
    async with blocked_promotion(small) as blocked:
        promotion = await blocked.block(state)
        await blocked.stages.comment_with(blocked.number, f"greenroom promotion/{promotion.id}")
        await _kept(blocked, promotion.id)
        await small.site.bot.kill()
        async with with_store(small.site, tmp_path / "new.db") as site, _stages_on(blocked, site):
            await blocked.unblock(state)
            ended = State.ROLLED_BACK if state is State.ROLLING_BACK else State.SUCCEEDED
            assert (await blocked.stages.comes_to("staging", ended)).id == promotion.id
            expected = blocked.before if state is State.ROLLING_BACK else blocked.after
            await blocked.stages.runs("staging", expected or set())
            assert len(blocked.stages.promotion_comments(promotion)) == 1
            if ended is State.SUCCEEDED:
                await blocked.stages.comment(blocked.number, "/rollback staging", by="bea")
                await blocked.stages.comes_to("staging", State.ROLLED_BACK)
                await blocked.stages.runs("staging", blocked.before or set())


@also_on_node
@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_restored_backup_continues_from_the_cluster(small: Scenario, tmp_path: Path) -> None:
    async with blocked_promotion(small) as blocked:
        stages, number, site = blocked.stages, blocked.number, small.site
        await blocked.block(State.DEPLOYING)
        back_up(site.database, tmp_path / "backup.db")
        await blocked.unblock(State.DEPLOYING)
        succeeded = await stages.comes_to("staging", State.SUCCEEDED)
        await stages.comment(number, "/hold staging no changes today", by="bea")
        await stages.comment_with(number, "✋ Blocked automatic promotions to `staging`")
        await small.push("feature", await stages.files("Later."))
        await small.wait_until_ready(number)
        await small.at_rest()
        await site.bot.kill()

        async with with_store(site, tmp_path / "backup.db") as restored, _stages_on(blocked, restored):
            assert (await blocked.stages.comes_to("staging", State.SUCCEEDED)).id == succeeded.id
            hold = (await blocked.stages.record("staging")).hold
            assert hold is not None
            assert hold.by == "bea"
            await small.push("feature", await stages.files("Latest."))
            await small.wait_until_ready(number)
            await _reported_once(small, number)
            await blocked.stages.comment(number, "/rollback staging", by="bea")
            await blocked.stages.comes_to("staging", State.ROLLED_BACK)
            await blocked.stages.runs("staging", blocked.before or set())


@embedded_only
@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_second_store_waits_for_the_active_one(small: Scenario, tmp_path: Path) -> None:
    number = await small.open("spring", small.hello())
    await small.wait_until_ready(number)
    site, port = small.site, free_port()
    settings = {
        **site.settings,
        "GREENROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'second.db'}",
        "GREENROOM_WAKER_PORT": "",
    }
    second = BotProcess(port, settings, site.bot.log)
    starting = asyncio.create_task(second.start())
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await _eventually_answers(client, f"{second.url}/readyz")
        assert answer.status_code == 503
        assert _WAITING in answer.json()["problems"]["active store"]
    assert not starting.done()
    await site.bot.kill()
    await starting
    try:
        # Its webhooks still go to the first one: the sweep of the second finds the push.
        await small.push("spring", small.hello("Changed."))
        await small.wait_until_ready(number)
    finally:
        await second.stop()
        await site.bot.start()


async def _eventually_answers(client: httpx.AsyncClient, url: str) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            return await client.get(url)
        assert time.monotonic() < deadline, "no answer"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _stages_on(blocked: BlockedPromotion, site: Site) -> AsyncIterator[None]:
    """Reads the stages from the site's store."""
    before = blocked.stages.store
    blocked.stages.store = store = await Store.open(f"sqlite:///{site.database}")
    try:
        yield
    finally:
        blocked.stages.store = before
        await store.close()


async def _exists(scenario: Scenario, number: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await scenario.world.client.find(NAMESPACE, scenario.namespace(number)) is None:
        assert time.monotonic() < deadline, "no namespace"
        await asyncio.sleep(0.02)


async def _kept(blocked: BlockedPromotion, promotion: str) -> None:
    """Waits until the stage's namespace has the promotion: several changes are written to it at once."""
    stages = blocked.stages
    name, deadline = namespace_name(stages.key("staging"), stages.repository), time.monotonic() + _SOON
    while True:
        namespace = await blocked.scenario.world.client.get(NAMESPACE, name)
        if promotion in namespace["metadata"]["annotations"].get(SNAPSHOT, ""):
            return
        assert time.monotonic() < deadline, "the namespace does not have the promotion"
        await asyncio.sleep(0.05)


async def _reported_once(scenario: Scenario, number: int) -> None:
    """One sticky comment, and per commit at most one check run of a name and one Deployment of a preview."""
    marker = f"greenroom {_key(scenario, number)} "
    assert sum(marker in body for body in scenario.comments(number)) == 1
    runs = [(run.head_sha, run.name) for run in scenario.github.checks.runs(scenario.repository)]
    assert len(runs) == len(set(runs)), "a check run twice"
    commits = [row.sha for row in scenario.deployments() if row.environment == "preview"]
    assert len(commits) == len(set(commits)), "a Deployment twice"
    await eventually(
        lambda: scenario.runs(scenario.head(number)) == ["success"] or None, lambda: "no success"
    )


def _key(scenario: Scenario, number: int) -> EnvironmentKey:
    return EnvironmentKey.preview(scenario.github.world.repository(scenario.repository).id, number)


def _own(scenario: Scenario, name: str, look: str = "spring") -> dict[str, bytes]:
    """Files that make a commit of its own: GitHub shows the check runs of a commit once."""
    return {**scenario.files(look), "NAME": name.encode()}
