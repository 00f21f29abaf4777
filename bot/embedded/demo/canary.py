"""Two releases that the demo brings to production as canaries while its other sections run."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
from rich.console import Console

from bot.embedded.demo.presenter import DemoFailed, Presenter
from bot.embedded.samples import failing_orders
from bot.model.environment import EnvironmentState
from bot.model.promotion import PromotionState

_PAUSE_SECONDS = 0.05


@dataclass
class Canaries:
    """Numbers of their pull requests, and what the users of production got meanwhile."""

    bad: int
    good: int
    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    """Requests without a response."""


@contextlib.asynccontextmanager
async def canaries(presenter: Presenter, first: int) -> AsyncIterator[Canaries]:
    """Follows the release of the pull request `first` through the stages, in the background."""
    silent = presenter.on(Console(quiet=True))
    bad = await silent.open("payment", failing_orders(silent.files("spring")), "Pay by invoice")
    good = await silent.open("autumn", silent.files("autumn"), "Autumn in the shop")
    seen = Canaries(bad, good)
    tasks = [
        asyncio.create_task(work) for work in (_promote(silent, first, seen), _order(silent, first, seen))
    ]
    try:
        yield seen
        await tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def show(presenter: Presenter, seen: Canaries) -> None:
    """The comments of both promotions; each waits until its promotion has ended."""
    presenter.section("A canary with errors is rolled back")
    presenter.note(
        "meanwhile two more releases reached production, where users ordered. To be short, the demo"
    )
    presenter.note(
        "uses steps of 50 and 100 % and looks each second, at 10 requests or more; the defaults are"
    )
    presenter.note("5, 25, 50 and 100 %, a minute and 200 requests")
    rolled_back = await presenter.wait_for_promotion(seen.bad, "production", PromotionState.ROLLED_BACK)
    await presenter.show_promotion_comment(rolled_back)
    presenter.section("A good canary gets all traffic")
    succeeded = await presenter.wait_for_promotion(seen.good, "production", PromotionState.SUCCEEDED)
    await presenter.show_promotion_comment(succeeded)
    failed = sum(count for status, count in seen.statuses.items() if status >= 500)
    total = sum(seen.statuses.values())
    presenter.note(f"of {total} orders meanwhile, {failed} failed, all by the first canary")
    if seen.lost or not failed:
        raise DemoFailed(f"{seen.lost} orders got no response, {failed} failed.")


async def _promote(presenter: Presenter, first: int, seen: Canaries) -> None:
    """One release after the other on each stage, side by side on different ones."""

    async def follow(number: int, state: PromotionState, after: int) -> None:
        await presenter.wait_for_preview(number, EnvironmentState.READY)
        for stage in ("integration", "security", "staging"):
            await _passes(presenter, number, stage, after)
        await _wait_until_ended(presenter, after)
        await _production(presenter, number, state)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow(seen.bad, PromotionState.ROLLED_BACK, first))
        group.create_task(follow(seen.good, PromotionState.SUCCEEDED, seen.bad))


async def _passes(presenter: Presenter, number: int, stage: str, after: int) -> None:
    """Promotes to a stage when the release before has passed it; a stage refuses a second one meanwhile."""
    await presenter.wait_for_promotion(after, stage, PromotionState.SUCCEEDED)
    async with presenter.alone(stage):
        await presenter.comment(number, f"/promote {stage}", by="ada")
        await presenter.wait_for_promotion(number, stage, PromotionState.SUCCEEDED)


async def _wait_until_ended(presenter: Presenter, number: int) -> None:
    with contextlib.suppress(DemoFailed):  # the first canary is rolled back
        await presenter.wait_for_promotion(number, "production", PromotionState.SUCCEEDED)


async def _production(presenter: Presenter, number: int, state: PromotionState) -> None:
    await presenter.comment(number, "/promote production", by="grace")
    waiting = await presenter.wait_for_promotion(number, "production", PromotionState.AWAITING_APPROVAL)
    assert waiting.release is not None, "it awaits approval of its release"
    await asyncio.sleep(1)  # GitHub's clock has whole seconds
    await presenter.comment(number, f"/approve production {waiting.release.id}", by="linus")
    await presenter.wait_for_promotion(number, "production", state)


async def _order(presenter: Presenter, first: int, seen: Canaries) -> None:
    """Orders from production as users do, once it has a release."""
    await presenter.wait_for_promotion(first, "production", PromotionState.SUCCEEDED)
    url, headers = await presenter.address("production")
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10) as client:
        products = (await client.get("/api/products")).json()
        order = {"product": products[0]["id"]}
        while True:
            try:
                seen.statuses[(await client.post("/orders", data=order)).status_code] += 1
            except httpx.HTTPError:
                seen.lost += 1
            await asyncio.sleep(_PAUSE_SECONDS)
