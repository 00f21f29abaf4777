"""What each scrape of `/metrics` reads from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.model.drift import DriftState
from bot.model.environment import EnvironmentState
from bot.model.naming import environment_name
from bot.model.promotion import PromotionState
from bot.store import Store
from bot.sweeps.ports import STANDING
from bot.web.metrics import Metrics


async def read_metrics(store: Store, metrics: Metrics) -> None:
    """Updates the metrics of the store. What is read does not grow with the history."""
    depth = await store.queue.depth()
    metrics.queue({"due": depth.due, "later": depth.later, "running": depth.running}, depth.oldest_seconds)
    metrics.store_transactions(store.transactions)
    statistics = await store.statistics.read()
    metrics.environments(_with_zeros(EnvironmentState, statistics.environments))
    metrics.promotions(_with_zeros(PromotionState, statistics.promotions), statistics.approval_seconds)
    metrics.kept_stages({"lock": statistics.locked, "hold": statistics.held})
    metrics.drifts(_with_zeros(DriftState, await store.drifts.count()))
    hours = await store.usages.hours(STANDING)
    metrics.requested(
        {
            environment_name(item.key, item.repository): (item.core_hours, item.gibibyte_hours)
            for item in hours
        }
    )


def _with_zeros(states: Iterable[str], counts: Mapping[str, int]) -> Mapping[str, int]:
    """The counts of all states, so that no metric disappears."""
    return {str(state): counts.get(state, 0) for state in states}
