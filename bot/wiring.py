"""Who carries out which kind of work: the handlers of the queue, with the rooms that each needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.render.renderer import ManifestRenderer
from bot.commands.handler import CommandHandler, CommandPorts
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.environments.context import Policy, Ports
from bot.environments.handler import EnvironmentHandler
from bot.environments.orphaned_namespace import OrphanedNamespaces
from bot.github.app import GitHubApp
from bot.model.quota import Caps
from bot.promotions.default_branch import DefaultBranchFollower
from bot.promotions.demo_pins import DemoPins
from bot.promotions.facts_reader import FactsReader
from bot.promotions.parity_service import ParityService
from bot.promotions.promotion_reconciler import PromotionReconciler
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.service import PromotionService
from bot.promotions.view_reader import StageViewReader
from bot.settings import Settings
from bot.store import Store
from bot.store.store import utc_now
from bot.sweeps.deployments import sweep_stale_deployments
from bot.sweeps.expiry import sweep_expired, sweep_expiry_warnings
from bot.sweeps.orphans import OrphanPorts, sweep_orphans
from bot.sweeps.queue_wakeup import wake_queued_previews
from bot.sweeps.redelivery import sweep_failed_deliveries
from bot.sweeps.removed_repositories import sweep_removed_repositories
from bot.sweeps.resync import Resync
from bot.sweeps.schedule import Sweeper
from bot.web.metrics import Metrics
from bot.worker import Handler

_KEEP_DELIVERIES = timedelta(days=7)
"""GitHub redelivers what is younger than three days; a guid must be known for longer than that."""
_KEEP_RELEASES = timedelta(days=90)
"""Hardly anybody names an older one that runs nowhere; one of the default branch is then made anew."""
_FORGET_AT_ONCE = 500
"""So that nobody waits for the database for long; the next sweep goes on."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the handlers are made of."""

    store: Store
    github: GitHubApp
    namespaces: KubernetesNamespaces
    renderer: ManifestRenderer
    ports: Ports
    settings: Settings
    metrics: Metrics


def handlers(dependencies: Dependencies) -> dict[str, Handler]:
    """By the kind of work."""
    store, settings, metrics = dependencies.store, dependencies.settings, dependencies.metrics
    github = dependencies.github
    resync = Resync(
        github.installations,
        github.pull_requests,
        github.contents,
        store.environments,
        store.deliveries,
        settings.max_deletions_per_sweep,
        metrics,
    )
    return {
        "command": _commands(dependencies),
        "environment": EnvironmentHandler(dependencies.ports, _policy(settings)),
        "namespace": OrphanedNamespaces(
            store.environments, store.journal, dependencies.namespaces, utc_now, metrics
        ),
        "resync": resync.one_repository,
        "sweep": Sweeper({"resync": resync.all_repositories, **_sweeps(dependencies)}),
        **_promotions(dependencies),
    }


def view_reader(store: Store, github: GitHubApp) -> StageViewReader:
    return StageViewReader(
        store.promotions, store.environments, store.releases, store.audit, github.contents, utc_now
    )


def intervals(settings: Settings) -> Mapping[str, timedelta]:
    """How often each sweep looks."""
    return {
        "resync": settings.resync_interval,
        "expiry": settings.expiry_interval,
        "queue": settings.expiry_interval,
        "redelivery": settings.redelivery_interval,
        "orphans": settings.orphans_interval,
        "lost": settings.orphans_interval,
        "deployments": settings.orphans_interval,
    }


def _commands(dependencies: Dependencies) -> Handler:
    store, github = dependencies.store, dependencies.github
    teller = view_reader(store, github)
    peers = CommandPorts(
        store.commands,
        store.environments,
        github.comments,
        github.pull_requests,
        github.collaborators,
        StageCommands(PromotionService(store.promotions, store.releases, github.promotion_readers, utc_now)),
        StatusQuery(store.environments, store.journal, store.queue, teller, utc_now),
        utc_now,
    )
    return CommandHandler(peers, dependencies.settings.longest_ttl)


def _promotions(dependencies: Dependencies) -> dict[str, Handler]:
    store, github, hosts = dependencies.store, dependencies.github, dependencies.settings.host_grants
    readers = github.promotion_readers
    service = PromotionService(store.promotions, store.releases, readers, utc_now)
    release_resolver = ReleaseResolver(
        readers, dependencies.ports.registry, dependencies.renderer, store.releases, utc_now
    )
    parity_service = ParityService(github.contents, dependencies.renderer)
    facts_reader = FactsReader(
        store.promotions, store.environments, readers, release_resolver, parity_service, utc_now, hosts
    )
    pins = DemoPins(store.promotions, github.commits, release_resolver, utc_now)
    return {
        "promotion": PromotionReconciler(
            store.promotions, github.pull_requests, github.reporter, facts_reader, service, utc_now
        ),
        "pipeline": DefaultBranchFollower(store.deliveries, github.commits, github.contents, service, pins),
    }


def _sweeps(dependencies: Dependencies) -> Mapping[str, Callable[[], Awaitable[None]]]:
    store, github, settings, metrics = (
        dependencies.store,
        dependencies.github,
        dependencies.settings,
        dependencies.metrics,
    )
    limit = settings.max_deletions_per_sweep

    async def expire() -> None:
        await sweep_expired(store.environments, store.queue, utc_now(), limit, metrics)
        await sweep_expiry_warnings(store.environments, store.queue, utc_now(), metrics)

    async def redeliver() -> None:
        await sweep_failed_deliveries(github.installations, store.deliveries, utc_now(), metrics)
        await store.deliveries.purge(utc_now() - _KEEP_DELIVERIES)
        await store.commands.purge(utc_now() - _KEEP_DELIVERIES)
        await store.releases.purge(utc_now() - _KEEP_RELEASES, _FORGET_AT_ONCE)

    async def find_deployments() -> None:
        await sweep_stale_deployments(
            github.installations, github.deployments, store.environments, store.deliveries, metrics
        )

    async def find_lost() -> None:
        await sweep_removed_repositories(store.environments, store.deliveries, utc_now(), limit, metrics)

    async def find_orphans() -> None:
        ports = OrphanPorts(dependencies.namespaces, store.environments, store.deliveries, store.queue)
        await sweep_orphans(ports, limit, metrics)

    async def wake_queue() -> None:
        await wake_queued_previews(store.environments, store.queue, _caps(settings), metrics)

    return {
        "expiry": expire,
        "redelivery": redeliver,
        "orphans": find_orphans,
        "queue": wake_queue,
        "lost": find_lost,
        "deployments": find_deployments,
    }


def _policy(settings: Settings) -> Policy:
    return Policy(
        default_ttl=settings.default_ttl,
        longest_ttl=settings.longest_ttl,
        caps=_caps(settings),
        default_size=settings.default_size.within(settings.largest_size),
        largest_size=settings.largest_size,
        fork_size=settings.fork_size,
        hosts=settings.host_grants,
        digest_key=settings.digest_key,
    )


def _caps(settings: Settings) -> Caps:
    return Caps(
        author=settings.max_previews_per_author,
        repository=settings.max_previews_per_repository,
        installation=settings.max_previews,
    )
