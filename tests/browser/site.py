"""The bot's pages over a store with examples of everything, for one signed-in user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.responses import Response

from bot.embedded.bot_process import free_port
from bot.github.messages.promotion_reasons import describe
from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
)
from bot.model.promotion import PromotionState
from bot.model.size import Size
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from bot.store.store import utc_now
from bot.store.tables import microseconds
from tests.stores import new_store
from tests.unit.environments.test_desired_state import PULL
from tests.unit.github.promotions import CANARY
from tests.unit.promotions.stage_fixtures import BROKEN, PIPELINE, VERIFIED, deploy, facts, promotion, release
from tests.unit.web.pages.conftest import ADA, SHOP, WebFixture
from tests.unit.web.pages.test_environments import ready

PREVIEW = f"preview/{SHOP.id}/{PULL.number}"
FAILED, ASLEEP, EXPIRED = (f"preview/{SHOP.id}/{number}" for number in (8, 21, 23))
PRODUCTION = f"stage/{SHOP.id}/production"
ON_PREVIEW = ("extend", "preview-refresh", "sleep", "destroy")
ON_PROMOTION = ("approve", "reject", "pause", "abort")
ON_STAGE = ("rollback", "unhold", "unlock")
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTED = microseconds(_START)
PAGES = {
    "dashboard": "/",
    "dashboard-filtered": "/?q=nothing+like+this",
    "preview": f"/environments/{PREVIEW}",
    "preview-failed": f"/environments/{FAILED}",
    "attempt": f"/environments/{FAILED}/attempts/{STARTED}",
    "pipeline": f"/stages/{SHOP.id}",
    "stage": f"/stages/{SHOP.id}/integration",
    "stage-awaiting-approval": f"/stages/{SHOP.id}/production",
    **{f"confirm-{name}": f"/actions/{name}/{PREVIEW}" for name in ON_PREVIEW},
    **{
        f"confirm-{name}": f"/actions/{name}/stage/{SHOP.id}/production?promotion=p9" for name in ON_PROMOTION
    },
    **{f"confirm-{name}": f"/actions/{name}/stage/{SHOP.id}/integration" for name in ON_STAGE},
    "preview-asleep": f"/environments/{ASLEEP}",
    "preview-expired": f"/environments/{EXPIRED}",
    "stage-paused": f"/stages/{SHOP.id}/security",
    "confirm-wake": f"/actions/wake/{ASLEEP}",
    "confirm-preview": f"/actions/preview/{EXPIRED}",
    "confirm-resume": f"/actions/resume/stage/{SHOP.id}/security?promotion=p8",
    "confirm-promote": f"/actions/promote/{PREVIEW}?to=staging",
    "error-not-possible": f"/actions/approve/stage/{SHOP.id}/production?promotion=p0",
    "not-found": "/environments/nowhere",
}


class PageSite:
    def __init__(self, fixture: WebFixture, url: str) -> None:
        self.fixture = fixture
        self.url = url

    @property
    def cookie(self) -> str:
        """Cookie of a session of ada."""
        response = Response()
        self.fixture.sessions.begin(response, ADA)
        return response.headers["set-cookie"].partition("=")[2].partition(";")[0]


@asynccontextmanager
async def page_site(folder: Path) -> AsyncIterator[PageSite]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = await new_store(folder / "greenroom.db", utc_now)
    fixture = WebFixture(store, utc_now, url)  # type: ignore[arg-type]  # the real clock
    await _fill(fixture)
    server = uvicorn.Server(
        uvicorn.Config(fixture.web, port=port, log_level="error", timeout_graceful_shutdown=1)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    try:
        yield PageSite(fixture, url)
    finally:
        server.should_exit = True
        await running
        await store.close()


async def _fill(web: WebFixture) -> None:
    now = utc_now()
    web.github.readers, web.github.configuration = {SHOP.id: {"ada"}}, PIPELINE
    web.github.pulls |= {number: replace(PULL, number=number) for number in (7, 21, 23)}
    web.diagnostics.result = NamespaceDiagnostics(
        (
            Event(now, "Pod shop-5d4f-x2k", "BackOff", "Back-off restarting container web", True, 7),
            Event(now, "Deployment shop", "ScalingReplicaSet", "Scaled up to 1", False),
        ),
        (
            LogTail("shop-5d4f-x2k", "web", "listening on 8080\nGET /healthz 200\n" * 30),
            LogTail("shop-5d4f-x2k", "metrics", ""),
        ),
    )
    await _previews(web)
    await _stages(web)


async def _previews(web: WebFixture) -> None:
    now = utc_now()
    size = Size(cpu="2", memory="3Gi")
    await web.environment(
        replace(ready(web.clock), size=size),
        ("opened", "Deploying aaaaaaa."),
        ("ready", "aaaaaaa responds at https://pr-3-shop-7.preview.example"),
    )
    phases = {
        phase: PhaseRecord(now - timedelta(seconds=40), now - timedelta(seconds=30 - 2 * index))
        for index, phase in enumerate(list(Phase)[:5])
    }
    phases[Phase.CONFIGURATION] = PhaseRecord(_START, _START + timedelta(seconds=1))
    phases[Phase.WORKLOADS] = PhaseRecord(now - timedelta(seconds=20), failed_at=now)
    failed = Status(
        EnvironmentState.FAILED,
        commit="b" * 40,
        phases=phases,
        cause=StatusMessage("The container `web` ends with code 1.", "KeyError: 'PORT'\n  in serve()"),
        expires_at=now + timedelta(hours=5),
        size=size,
    )
    title = "Read the port from the environment, and log it at the start of the process"
    decisions = (("opened", "Deploying bbbbbbb."), ("failed", "The container `web` keeps ending."))
    await web.environment(failed, *decisions, pull=replace(PULL, number=8, title=title, author="bea"))
    degraded = replace(
        ready(web.clock),
        state=EnvironmentState.CHECKS_FAILED,
        checks=(
            CheckResult("smoke", CheckState.FAILED, "The Job `smoke` failed.", "1 of 3 requests failed", 2.0),
            CheckResult("http-healthz", CheckState.PASSED, "200 in 12 ms", "", 0.1),
        ),
        cause=StatusMessage("The check `smoke` failed."),
    )
    await web.environment(degraded, pull=replace(PULL, number=9, title="Round prices", author="cem"))
    for number, state in enumerate(
        (EnvironmentState.WAITING, EnvironmentState.ASLEEP, EnvironmentState.PENDING)
    ):
        status = Status(state, commit="c" * 40, expires_at=now + timedelta(days=2))
        pull = replace(PULL, number=20 + number, title=f"Change {number}", author="dora")
        await web.environment(status, pull=pull)
    expired = Status(EnvironmentState.GONE, commit="c" * 40, end=EndReason.EXPIRED)
    await web.environment(expired, pull=replace(PULL, number=23, title="An old change", author="dora"))


async def _stages(web: WebFixture) -> None:
    now = utc_now()

    def roll_back(aggregate: StageAggregate) -> StageAggregate:
        """A verified release, then one that failed and was rolled back."""
        aggregate = replace(aggregate, describe=describe)
        for id, commit, seen in (("p1", "a", VERIFIED), ("p2", "b", BROKEN)):
            aggregate = stage_actions.request(aggregate, promotion("integration", "ada", id, now), now)
            aggregate = step(aggregate, id, facts(release(commit)), now)
            progress = replace(seen, serial=aggregate.stage.serial)
            aggregate = step(aggregate, id, facts(release(commit), progress=progress), now)
        progress = replace(VERIFIED, serial=aggregate.stage.serial)
        aggregate = step(aggregate, "p2", facts(progress=progress), now)
        aggregate = aggregate.with_promotion(replace(aggregate.promotions["p2"], rollout=CANARY))
        return stage_actions.lock(aggregate, "bea", now + timedelta(hours=2), "load test", now)

    def request(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = stage_actions.request(aggregate, promotion("production", "cem", "p9", now), now)
        aggregate = step(aggregate, "p9", facts(release("a"), authors=("eve",)), now)
        state, promoted = PromotionState.AWAITING_APPROVAL, aggregate.promotions["p9"]
        waiting = replace(promoted, state=state, policy=PIPELINE, number=7, release=release("a"))
        return replace(aggregate, promotions={**aggregate.promotions, "p9": waiting})

    def pause(aggregate: StageAggregate) -> StageAggregate:
        aggregate = stage_actions.request(aggregate, promotion("security", "cem", "p8", now), now)
        paused = replace(
            aggregate.promotions["p8"],
            state=PromotionState.DEPLOYING,
            release=release("a"),
            paused_by="bea",
            paused_at=now,
            number=7,
        )
        stage = replace(aggregate.stage, active_promotion="p8")
        return replace(aggregate, stage=stage, promotions={**aggregate.promotions, "p8": paused})

    integration = EnvironmentKey.stage(SHOP.id, "integration")
    await web.store.promotions.change(EnvironmentKey.stage(SHOP.id, "security"), SHOP, pause)
    await web.store.promotions.change(integration, SHOP, roll_back)
    await deploy(web.store, integration)
    await web.store.promotions.change(EnvironmentKey.stage(SHOP.id, "production"), SHOP, request)
