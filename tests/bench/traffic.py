"""Requests to a stage while traffic moves between two revisions: what is lost, and what each side gets."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bot.model.promotion import Promotion, PromotionState
from bot.model.rollout import Progress
from bot.store import Store
from tests.bench.figures import Figures, Goal
from tests.bench.scenario import MeasuredScenario, measured_scenario
from tests.story.rollouts import serving
from tests.story.stages import Stages

REQUESTS = 10_000
_CONNECTIONS = 8
_PATIENCE_SECONDS = 600
"""A busy machine sends some dozens of requests per second."""
_RESPONSE_SECONDS = 30
_LOOK_SECONDS = 0.02
_MOST_UNTIL_WITHDRAWN = 10.0
_STEP, _TOLERANCE = 5, 1.0
_BLUE_GREEN = "stages: {production: {checks: [{http: /}], rollout: {blue_green: {keep: 1h}}}}\n"
_CANARY = """
stages:
  production:
    checks: [{http: /}]
    rollout: {canary: {steps: [5, 50, 100], interval: 1s, analysis: {looks: 3, requests: NEEDED}}}
"""
_NEEDED = 12 * REQUESTS * _STEP // 1000
"""The candidate's requests in a step of 5 % with more than 10,000 requests."""


@dataclass
class Responses:
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    @property
    def failed(self) -> int:
        return self.lost + sum(count for status, count in self.statuses.items() if status >= 500)

    @property
    def total(self) -> int:
        return self.lost + sum(self.statuses.values())


async def bench() -> Figures:
    figures = Figures(
        "Traffic between two revisions, on the embedded gateway", ("", "requests", "failed", "result")
    )
    async with measured_scenario(small=True) as scenario:
        store = await Store.open(f"sqlite:///{scenario.site.database}")
        try:
            stages = Stages(scenario, store)
            stages.application = serving(
                scenario.hello(), 'status = 500 if "Bad" in sentence and self.path == "/buy" else 200'
            )
            await _switch(figures, stages, scenario)
            await _canary(figures, stages, scenario)
            await _withdrawal(figures, stages, scenario)
        finally:
            await store.close()
    return figures


async def _switch(figures: Figures, stages: Stages, scenario: MeasuredScenario) -> None:
    await stages.configure(_BLUE_GREEN)
    first = await stages.open("first", "First.")
    await stages.comment(first, "/promote production")
    await _until(stages, lambda newest: newest.state is PromotionState.SUCCEEDED)
    number = await stages.open("green", "Green.")
    async with _users(scenario) as seen:
        await stages.comment(number, "/promote production")
        await _until(stages, lambda newest: _weight(newest) == 100)
        await _more(seen, REQUESTS // 2)
        await stages.comment(number, "/rollback production")
        await _until(stages, lambda newest: newest.state is PromotionState.ROLLED_BACK)
        await _more(seen, REQUESTS - min(seen.total, REQUESTS))
    _failures(figures, "blue-green: switch and switch back", seen)


async def _canary(figures: Figures, stages: Stages, scenario: MeasuredScenario) -> None:
    """A healthy canary whose first step lasts for more than 10,000 requests."""
    await stages.configure(_CANARY.replace("NEEDED", str(_NEEDED)))
    number = await stages.open("healthy", "Healthy.")
    async with _users(scenario) as seen:
        await stages.comment(number, "/promote production")
        await _until(stages, lambda newest: _weight(newest) == _STEP)
        await asyncio.sleep(1)  # the gateway follows its route
        before, of_candidate = seen.total, seen.bodies["Healthy."]
        await _until(stages, lambda newest: _weight(newest) != _STEP)
        total, share = seen.total - before, 100 * (seen.bodies["Healthy."] - of_candidate)
        await _until(
            stages, lambda newest: newest.number == number and newest.state is PromotionState.SUCCEEDED
        )
        await _more(seen, REQUESTS // 10)
    figures.rows.append((f"a step of {_STEP} %", f"{total:,}", "", f"{share / total:.2f} %"))
    figures.goals.append(Goal("a step of 5 %: requests", total, REQUESTS, at_least=True))
    distance = abs(share / total - _STEP)
    figures.goals.append(Goal("a step of 5 %: distance from 5, in percent", distance, _TOLERANCE))
    _failures(figures, "a healthy canary, from start to finish", seen)


def _weight(promotion: Promotion) -> int:
    """The candidate's share of the traffic; 0 before it has some."""
    return promotion.rollout.weight if promotion.rollout is not None else 0


async def _withdrawal(figures: Figures, stages: Stages, scenario: MeasuredScenario) -> None:
    """The time from the verdict until the candidate no longer gets requests."""
    await stages.configure(_CANARY.replace("NEEDED", "1000000"))
    number = await stages.open("bad", "Bad.")
    async with _users(scenario, "/buy") as seen:
        await stages.comment(number, "/promote production")
        await _until(
            stages,
            lambda newest: newest.rollout is not None and newest.rollout.progress is Progress.RETURNED,
        )
        verdict = last = time.monotonic()
        failed = seen.failed
        while time.monotonic() < verdict + _MOST_UNTIL_WITHDRAWN:
            await asyncio.sleep(_LOOK_SECONDS)
            if seen.failed > failed:
                failed, last = seen.failed, time.monotonic()
    seconds = last - verdict
    figures.rows.append(
        ("verdict to 0 %", f"{seen.total:,}", str(seen.failed), f"{seconds:.2f} s to the last failure")
    )
    figures.goals.append(Goal("seconds from the verdict to 0 %", seconds, _MOST_UNTIL_WITHDRAWN))


def _failures(figures: Figures, name: str, seen: Responses) -> None:
    figures.rows.append((name, f"{seen.total:,}", str(seen.failed), ""))
    figures.goals.append(Goal(f"{name}: failed requests", float(seen.failed), 0.0))


async def _until(stages: Stages, condition: Callable[[Promotion], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not ((newest := await stages.promotions("production")) and condition(newest[0])):
        assert time.monotonic() < deadline, newest and (newest[0].state, newest[0].reason)
        await asyncio.sleep(_LOOK_SECONDS)


async def _more(seen: Responses, requests: int) -> None:
    goal = seen.total + requests
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while seen.total < goal:
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def _users(scenario: MeasuredScenario, path: str = "/") -> AsyncIterator[Responses]:
    """Sends requests to production on several connections until the block ends."""
    seen, world = Responses(), scenario.world
    headers = {"Host": f"{scenario.stage_host('production')}:{world.gateway_port}"}

    async def send(client: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with client.get(f"http://{world.gateway_address}{path}", headers=headers) as answer:
                    body = await answer.text()
            except (aiohttp.ClientError, TimeoutError):
                seen.lost += 1
            else:
                seen.statuses[answer.status] += 1
                seen.bodies[body] += 1

    # Most of a request's time is the client's own: httpx sends a third as many.
    limit = aiohttp.ClientTimeout(total=_RESPONSE_SECONDS)
    async with aiohttp.ClientSession(timeout=limit) as client:
        tasks = [asyncio.create_task(send(client)) for _ in range(_CONNECTIONS)]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
