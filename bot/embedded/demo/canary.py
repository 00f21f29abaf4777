"""A second shop whose production stage is a canary; its releases move while the other chapters run."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
from rich.console import Console

from bot.config.loader import CONFIG_FILE
from bot.embedded.demo.presenter import DemoFailed, Presenter
from bot.embedded.samples import SEED, failing_orders
from bot.model.environment import EnvironmentState
from bot.model.promotion import PromotionState

REPOSITORY = "harbour/shop"
_PAUSE_SECONDS = 0.05
_PIPELINE = b"""stages:
  production:
    seed: true
    checks: [{http: /healthz}]
    rollout:
      canary:
        steps: [50, 100]
        interval: 1s
        analysis: {looks: 2, requests: 10}
"""


def canary_shop(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The shop with one stage, which moves as a canary of seconds."""
    before, _, _ = files[CONFIG_FILE].partition(b"stages:")
    renamed = {**files, CONFIG_FILE: before + _PIPELINE}
    return {path: content.replace(b"acme/shop", REPOSITORY.encode()) for path, content in renamed.items()}


@dataclass
class Orders:
    """What the users of production got while its releases moved."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    """Requests without a response."""


@dataclass(frozen=True)
class Canaries:
    """The second shop's own presenter, numbers of its pull requests, and the work that promotes them."""

    presenter: Presenter
    bad: int
    good: int
    orders: Orders
    promotions: asyncio.Task[None]


@contextlib.asynccontextmanager
async def canaries(presenter: Presenter) -> AsyncIterator[Canaries]:
    """Brings three releases to production in the background: the second one fails for users."""
    shop = presenter.on(Console(quiet=True), REPOSITORY)
    spring, autumn = canary_shop(shop.files("spring")), canary_shop(shop.files("autumn"))
    first = await shop.open("spring", spring, "Spring in the shop")
    bad = await shop.open("payment", failing_orders(spring), "Pay by invoice")
    good = await shop.open("autumn", {**autumn, SEED: spring[SEED]}, "Autumn colours")
    orders = Orders()
    promotions = asyncio.create_task(_promote(shop, first, bad, good))
    users = asyncio.create_task(_order(shop, first, orders))
    try:
        yield Canaries(shop, bad, good, orders, promotions)
    finally:
        for task in (promotions, users):
            task.cancel()
        await asyncio.gather(promotions, users, return_exceptions=True)


async def show(presenter: Presenter, seen: Canaries) -> None:
    """Waits for both canaries and prints their comments."""
    await seen.promotions
    shop = presenter.on(presenter.console, REPOSITORY)
    presenter.section("A canary with errors is rolled back")
    for sentence in (
        f"meanwhile releases reached production of [b]{REPOSITORY}[/b], where users ordered; to be short,",
        "its steps are 50 and 100 %, with a look each second at 10 requests or more; the defaults are",
        "5, 25, 50 and 100 %, a minute and 200 requests",
    ):
        presenter.note(sentence)
    rolled_back = await shop.wait_for_promotion(seen.bad, "production", PromotionState.ROLLED_BACK)
    await shop.show_promotion_comment(rolled_back)
    presenter.section("A good canary gets all traffic")
    succeeded = await shop.wait_for_promotion(seen.good, "production", PromotionState.SUCCEEDED)
    await shop.show_promotion_comment(succeeded)
    statuses, lost = seen.orders.statuses, seen.orders.lost
    failed = sum(count for status, count in statuses.items() if status >= 500)
    presenter.note(f"of {sum(statuses.values())} orders meanwhile, {failed} failed, all by the first canary")
    if lost or not failed:
        raise DemoFailed(f"{lost} orders got no response, {failed} failed.")


async def _promote(shop: Presenter, first: int, bad: int, good: int) -> None:
    for number, state in (
        (first, PromotionState.SUCCEEDED),
        (bad, PromotionState.ROLLED_BACK),
        (good, PromotionState.SUCCEEDED),
    ):
        await shop.wait_for_preview(number, EnvironmentState.READY)
        await shop.comment(number, "/promote production", by="ada")
        await shop.wait_for_promotion(number, "production", state)


async def _order(shop: Presenter, first: int, orders: Orders) -> None:
    """Orders from production as users do, once it has a release."""
    await shop.wait_for_promotion(first, "production", PromotionState.SUCCEEDED)
    url, headers = await shop.address("production")
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10) as client:
        products = (await client.get("/api/products")).json()
        order = {"product": products[0]["id"]}
        while True:
            try:
                orders.statuses[(await client.post("/orders", data=order)).status_code] += 1
            except httpx.HTTPError:
                orders.lost += 1
            await asyncio.sleep(_PAUSE_SECONDS)
