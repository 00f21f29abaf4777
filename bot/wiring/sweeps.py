"""The sweeps and their intervals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from bot.settings import Settings
from bot.store.store import utc_now
from bot.sweeps.drift import sweep_drift
from bot.sweeps.expiry import sweep_expired, sweep_expiry_warnings
from bot.sweeps.housekeeping import HousekeepingPorts, Retention, sweep_history
from bot.sweeps.orphans import OrphanPorts, sweep_orphans
from bot.sweeps.queue_wakeup import wake_queued_previews
from bot.sweeps.redelivery import sweep_failed_deliveries
from bot.sweeps.removed_repositories import sweep_removed_repositories
from bot.sweeps.usage import UsagePorts, UsageSweep
from bot.wiring.activation import adopter
from bot.wiring.dependencies import Dependencies
from bot.wiring.policy import caps

_HOUSEKEEPING_INTERVAL = timedelta(minutes=10)


def intervals(settings: Settings) -> Mapping[str, timedelta]:
    """The interval of each sweep."""
    return {
        "resync": settings.resync_interval,
        "expiry": settings.expiry_interval,
        "queue": settings.expiry_interval,
        "redelivery": settings.redelivery_interval,
        "housekeeping": _HOUSEKEEPING_INTERVAL,
        "orphans": settings.orphans_interval,
        "lost": settings.orphans_interval,
        "drift": settings.drift_interval,
        "usage": settings.usage_interval,
    }


def sweeps(dependencies: Dependencies) -> Mapping[str, Callable[[], Awaitable[None]]]:
    store, settings, metrics = dependencies.store, dependencies.settings, dependencies.metrics
    github, limit = dependencies.github, settings.max_deletions_per_sweep

    async def expire() -> None:
        await sweep_expired(store.environments, store.queue, utc_now(), limit, metrics)
        await sweep_expiry_warnings(store.environments, store.queue, utc_now(), metrics)

    async def redeliver() -> None:
        await sweep_failed_deliveries(github.installations, store.deliveries, utc_now(), metrics)

    async def delete_history() -> None:
        ports = HousekeepingPorts(
            store.deliveries, store.commands, store.releases, store.history, store.attempts
        )
        retention = Retention(settings.history_retention, settings.failure_log_retention)
        await sweep_history(ports, utc_now(), retention, metrics)

    async def remove_repositories() -> None:
        await sweep_removed_repositories(store.environments, store.deliveries, utc_now(), limit, metrics)

    async def delete_orphans() -> None:
        clusters = dependencies.clusters
        ports = OrphanPorts(
            {cluster.name: cluster.namespaces for cluster in clusters},
            partial(adopter(dependencies, clusters.default).adopt, without_record=False),
            store.environments,
            store.deliveries,
            store.queue,
        )
        await sweep_orphans(ports, limit, metrics)

    own_caps = caps(settings)
    usage = UsageSweep(
        UsagePorts(
            store.environments,
            store.environments,
            store.usages,
            store.environments,
            dependencies.metrics_providers.gateways,
        ),
        own_caps if own_caps.makes_room else None,
        utc_now,
        metrics,
    )
    return {
        "usage": usage,
        "expiry": expire,
        "redelivery": redeliver,
        "housekeeping": delete_history,
        "orphans": delete_orphans,
        "queue": partial(wake_queued_previews, store.environments, store.queue, own_caps, metrics),
        "lost": remove_repositories,
        "drift": partial(sweep_drift, store.environments, store.queue, settings.drift_interval, metrics),
    }
