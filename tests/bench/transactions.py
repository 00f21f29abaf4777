"""Store transactions for an opened pull request and for `/promote` of a release that the store has."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.bench.figures import Figures, Goal
from tests.bench.metrics import scrape, wait_for_state, wait_for_sweeps, wait_until_idle
from tests.bench.scenario import MeasuredScenario, measured_scenario

MOST_FOR_OPENED = 15
MOST_FOR_PROMOTED = 20

_PIPELINE = b"\nstages:\n  staging: {}\n"
_EXCLUDED = frozenset(
    {
        "SqlDeliveryStore._record",  # the acknowledgement itself
        "SqlStatistics.read",  # this and the next three: the bench reads /metrics
        "SqlDriftStore.count",
        "SqlUsageStore.hours",
        "SqlWorkQueue.depth",
        "SqlWorkQueue.heartbeat",  # every 4 s while something runs
        "SqlIdentity.read",  # every few seconds
    }
)


async def bench() -> Figures:
    figures = Figures("Store transactions", ("from … to", "transactions", "of which"))
    async with measured_scenario(small=True, pipeline=_PIPELINE) as scenario:
        await wait_for_sweeps(scenario.bot.url)
        before = await _transactions(scenario)
        number = await scenario.open("spring", scenario.application)
        await wait_for_state(scenario.bot.url, "environments", "ready")
        opened = await _count(scenario, before)
        before = await _transactions(scenario)
        create = scenario.github.comments.create
        await asyncio.to_thread(create, scenario.repository, number, "/promote staging", by="ada")
        await wait_for_state(scenario.bot.url, "promotions", "succeeded")
        promoted = await _count(scenario, before)
    for name, counts in (("opened … ready", opened), ("/promote … succeeded", promoted)):
        parts = ", ".join(f"{transaction} {count:.0f}" for transaction, count in counts.most_common())
        figures.rows.append((name, f"{counts.total():.0f}", parts))
    figures.goals.append(Goal("transactions for an opened pull request", opened.total(), MOST_FOR_OPENED))
    figures.goals.append(Goal("transactions for /promote", promoted.total(), MOST_FOR_PROMOTED))
    return figures


async def _count(scenario: MeasuredScenario, before: Counter[str]) -> Counter[str]:
    """Transactions since `before`, without claims that found nothing: idle workers poll by the clock."""
    await wait_until_idle(scenario.bot.url)
    counts = await _transactions(scenario) - before
    counts["SqlWorkQueue.claim"] = min(
        counts["SqlWorkQueue.claim"], counts["SqlWorkQueue.finish"] + counts["SqlWorkQueue.fail"]
    )
    return counts


async def _transactions(scenario: MeasuredScenario) -> Counter[str]:
    snapshot = await scrape(scenario.bot.url)
    by_name = snapshot.by_label("greenroom_store_transactions_total", "name")
    return Counter({name: int(total) for name, total in by_name.items() if name not in _EXCLUDED})
