"""Progressive rollouts: a candidate beside the stable revision gets traffic, and keeps it or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bot.embedded.bot_process import free_port
from bot.model.promotion import PromotionState
from bot.model.rollout import Progress
from tests.kubernetes.prometheus import prometheus
from tests.story.conftest import (
    PATIENCE_SECONDS,
    Scenario,
    also_on_node,
    embedded_only,
    operated,
    with_prometheus,
)
from tests.story.rollouts import BLUE_GREEN, CANARY, comes_to, first, names, reaches, serving, weights
from tests.story.stages import Stages, staged
from tests.story.traffic import traffic

pytestmark = pytest.mark.long

_MOST_UNTIL_WITHDRAWN = timedelta(seconds=10)


@pytest.fixture
async def late(small: Scenario) -> AsyncIterator[Scenario]:
    """The embedded gateway follows the pods of a Service later than a route."""
    delays = small.world.delays
    before = replace(delays)
    delays.service, delays.route = 0.7, 0.0
    yield small
    delays.service, delays.route = before.service, before.route


@also_on_node
async def test_good_canary_gets_all_traffic_and_leaves_nothing(small: Scenario) -> None:
    async with staged(small, CANARY) as stages:
        await first(stages)
        number = await stages.open("good", "Candidate.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert promotion.rollout is not None
        assert [result.weight for result in promotion.rollout.results] == [20, 50, 100]
        assert promotion.rollout.progress is Progress.FINISHING
        comment = await stages.comment_with(number, "✅ Release", "| 20 % |", "| 50 % |")
        assert "✅ passed" in comment
        assert (await stages.page("production")).text == "Candidate."
        assert await weights(stages) == [1]
        steps = [entry.after for entry in await stages.audit("production") if entry.action == "step"]
        assert steps == ["20 %", "50 %", "100 %"]


@also_on_node
async def test_bad_canary_is_rolled_back_with_its_numbers(small: Scenario) -> None:
    async with staged(small, CANARY) as stages:
        failing = 'status = 500 if "Bad" in sentence and self.path == "/buy" else 200'
        stages.application = serving(small.hello(), failing)
        await stages.configure(CANARY)
        await first(stages)
        number = await stages.open("bad", "Bad.")
        async with traffic(stages, "production", "/buy") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert "requests to the candidate failed" in promotion.reason
        assert promotion.rollout is not None
        assert promotion.rollout.progress is Progress.RETURNED
        [result] = promotion.rollout.results
        # Two, and those of the up to two seconds after which a gateway follows a route.
        assert result.looks <= 4
        verdict = next(entry.at for entry in await stages.audit("production") if entry.action == "failed")
        assert users.last[500] < verdict + _MOST_UNTIL_WITHDRAWN
        assert users.statuses[200] > users.statuses[500]
        await stages.comment_with(number, "↩️ Rolled **production** back", "❌ rolled back")
        assert await weights(stages) == [1]
        assert (await stages.page("production")).text == "Stable."


@with_prometheus
async def test_canary_is_judged_by_a_prometheus(small: Scenario, tmp_path: Path) -> None:
    port = free_port()
    pipeline = CANARY.replace("looks: 2", "provider: main, looks: 2")
    target = urlsplit(small.world.gateway_metrics).netloc
    with_provider = {"GREENROOM_METRICS_PROVIDERS": _providers(tmp_path, port)}
    async with (
        prometheus(tmp_path, target, port),
        operated(small.site, **with_provider),
        staged(small, pipeline) as stages,
    ):
        await first(stages)
        number = await stages.open("good", "Candidate.")
        async with traffic(stages, "production"):
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.SUCCEEDED)
        assert promotion.rollout is not None
        start, middle, _ = promotion.rollout.results
        assert min(start.candidate.requests, middle.stable.requests) >= 4


@with_prometheus
async def test_rollout_pauses_while_its_prometheus_is_down(small: Scenario, tmp_path: Path) -> None:
    port = free_port()
    pipeline = CANARY.replace("looks: 2, requests: 4", "provider: main, looks: 2, requests: 1000000")
    target = urlsplit(small.world.gateway_metrics).netloc
    with_provider = {"GREENROOM_METRICS_PROVIDERS": _providers(tmp_path, port)}
    async with operated(small.site, **with_provider), staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("unseen", "Candidate.")
        async with traffic(stages, "production") as users:
            async with prometheus(tmp_path, target, port):
                await stages.comment(number, "/promote production")
                await _counted(stages, 1)
            await stages.comment_with(number, "did not answer 4 times in a row", "/resume production")
            assert await weights(stages) == [80, 20]
            async with prometheus(tmp_path, target, port):
                [newest, *_] = await stages.promotions("production")
                assert newest.rollout is not None
                before = newest.rollout.results[-1].candidate.requests
                await stages.comment(number, "/resume production")
                await _counted(stages, before + 1)
                await stages.comment(number, "/promote production --now")
                await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert set(users.statuses) == {200}


async def _counted(stages: Stages, requests: int) -> None:
    """Waits until so many requests to the candidate were counted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        [newest, *_] = await stages.promotions("production")
        results = newest.rollout.results if newest.rollout is not None else ()
        if results and results[-1].candidate.requests >= requests:
            return
        assert time.monotonic() < deadline, (newest.state, newest.reason, newest.rollout)
        await asyncio.sleep(0.1)


@embedded_only
async def test_silent_provider_pauses_and_a_repository_cannot_choose_another_ones(
    small: Scenario, tmp_path: Path
) -> None:
    pipeline = CANARY.replace("looks: 2", "provider: main, looks: 2")
    with_provider = {"GREENROOM_METRICS_PROVIDERS": _providers(tmp_path, free_port())}
    async with operated(small.site, **with_provider), staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("silent", "Candidate.")
        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "did not answer 4 times in a row", "/resume production")
        assert (await stages.promotions("production"))[0].state is PromotionState.ROLLING_OUT
        await stages.comment(number, "/abort production")
        await stages.comment_with(number, "↩️ Rolled **production** back")
        await stages.configure(pipeline.replace("provider: main", "provider: theirs"))
        other = await stages.open("refused", "Refused.")
        await stages.comment(other, "/unhold production")
        await stages.comment(other, "/promote production")
        await stages.comment_with(
            other, "`analysis.provider` names theirs", "choose one of `gateway`, `main`"
        )


def _providers(folder: Path, port: int) -> str:
    """A file that grants the provider `main` to all repositories, and `theirs` to another one."""
    path = folder / "metrics.yaml"
    server = {"url": f"http://127.0.0.1:{port}", "preset": "traefik", "timeout": "1s"}
    providers = {
        "main": server | {"repositories": ["*"]},
        "theirs": server | {"repositories": ["other/shop"]},
    }
    path.write_text(yaml.safe_dump({"version": 1, "providers": providers}))
    return str(path)


async def test_maintainer_skips_the_remaining_analysis(small: Scenario) -> None:
    async with staged(small, CANARY.replace("requests: 4", "requests: 1000000")) as stages:
        await first(stages)
        number = await stages.open("urgent", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await stages.comment(number, "/promote production --now", by="bea")
        await stages.comment_with(number, "requires the role `maintain`")
        await stages.comment(number, "/promote production --now")
        promotion = await comes_to(stages, PromotionState.SUCCEEDED)
        assert promotion.rollout is not None
        assert [result.weight for result in promotion.rollout.results] == [20, 100]
        await stages.comment_with(
            number, "✅ Release", "⏩ skipped", "ada: The remaining analysis is skipped"
        )
        assert (await stages.page("production")).text == "Candidate."
        skipped = [entry.actor for entry in await stages.audit("production") if entry.action == "skipped"]
        assert skipped == ["ada"]


async def test_canary_without_traffic_pauses_and_is_aborted(small: Scenario) -> None:
    pipeline = CANARY.replace("requests: 4", "requests: 4, pause_after: 2s, roll_back_after: 1h")
    async with staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("idle", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await stages.comment_with(number, "the analysis was inconclusive", "/resume production")
        await stages.comment(number, "/abort production")
        await stages.comment_with(number, "↩️ Rolled **production** back")
        assert await weights(stages) == [1]


@also_on_node
async def test_blue_green_switches_and_is_rolled_back_by_one_patch(small: Scenario) -> None:
    async with staged(small, BLUE_GREEN.replace("KEEP", "1h")) as stages:
        await first(stages)
        number = await stages.open("green", "Green.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            await reaches(stages, 100)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (await stages.page("production")).text != "Green.":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            await stages.comment(number, "/rollback production")
            await comes_to(stages, PromotionState.ROLLED_BACK)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert (await stages.page("production")).text == "Stable."
        assert await weights(stages) == [1]


@also_on_node
async def test_blue_green_finishes_under_the_names_of_the_stable_revision(late: Scenario) -> None:
    async with staged(late, BLUE_GREEN.replace("KEEP", "1s")) as stages:
        await first(stages)
        before = await names(stages)
        number = await stages.open("green", "Green.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert (await stages.page("production")).text == "Green."
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await names(stages) != before:
            assert time.monotonic() < deadline, "the candidate is still there"
            await asyncio.sleep(0.2)
