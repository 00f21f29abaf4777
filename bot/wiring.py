"""Opens the clients and builds the handlers of the work queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from bot.cluster.lease import StoreLease
from bot.cluster.render.tools import Tools
from bot.clusters import Cluster, Clusters, open_clusters
from bot.commands.handler import CommandHandler, CommandPorts
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.environments.activation import Activation
from bot.environments.adoption import Adopter
from bot.environments.cluster_waker import ClusterWaker
from bot.environments.handler import EnvironmentHandler
from bot.environments.merge_queue import MergeQueue
from bot.environments.orphaned_namespace import OrphanedNamespaces
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.environments.snapshots import SnapshotKeeper
from bot.github.app import GitHubApp
from bot.github.messages import environment_reasons, promotion_reasons
from bot.github.messages.command_reasons import refusal_note
from bot.infrastructure.drift.by_cluster import DriftByCluster
from bot.infrastructure.drift.handler import DriftHandler, DriftLimits
from bot.metrics.gateway import open_metrics
from bot.model.hosts import HostGrants
from bot.model.quota import Caps
from bot.promotions.default_branch import DefaultBranchFollower
from bot.promotions.demo_pins import DemoPins
from bot.promotions.facts_reader import FactsReader
from bot.promotions.parity_service import ParityService
from bot.promotions.promotion_reconciler import PromotionReconciler
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.service import PromotionService
from bot.promotions.stage_recovery import StageRecovery
from bot.promotions.view_reader import StageViewReader
from bot.registry.charts import open_charts
from bot.registry.client import RegistryClient, open_client
from bot.secrets.managers import open_managers
from bot.settings import Settings
from bot.store import Store
from bot.store.snapshots import read_snapshot
from bot.store.store import utc_now
from bot.sweeps.drift import sweep_drift
from bot.sweeps.expiry import sweep_expired, sweep_expiry_warnings
from bot.sweeps.housekeeping import HousekeepingPorts, sweep_history
from bot.sweeps.orphans import OrphanPorts, sweep_orphans
from bot.sweeps.queue_wakeup import wake_queued_previews
from bot.sweeps.redelivery import sweep_failed_deliveries
from bot.sweeps.removed_repositories import sweep_removed_repositories
from bot.sweeps.resync import Resync, ResyncPorts
from bot.sweeps.schedule import Sweeper
from bot.web.metrics import Metrics
from bot.worker import Handler

_HOUSEKEEPING_INTERVAL = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The store and all clients of one process."""

    settings: Settings
    metrics: Metrics
    store: Store
    github: GitHubApp
    clusters: Clusters
    ports: Ports
    """Of the default cluster."""

    @property
    def host_grants(self) -> HostGrants:
        return replace(self.settings.host_grants, domains=self.clusters.domains)


async def open_dependencies(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> Dependencies:
    """Opens the store, which it migrates, and the clients. The stack closes them in reverse order."""
    store = await Store.open(settings.database_url.get_secret_value())
    stack.push_async_callback(store.close)
    await store.migrate()
    github = GitHubApp(
        api_url=settings.github_api_url,
        app_id=settings.github_app_id,
        private_key=settings.github_private_key.get_secret_value(),
        public_url=settings.public_url,
        preview_environment=settings.preview_environment,
        ca_file=settings.github_ca_file,
        metrics=metrics,
        complete_since=lambda: store.identity.complete_since,
    )
    stack.push_async_callback(github.close)
    registry = await stack.enter_async_context(registry_client(settings))
    charts = await stack.enter_async_context(
        open_charts(settings.registry_credentials, settings.private_registries, settings.render_hosts)
    )
    tools = Tools(settings.render_hosts, charts=charts)
    waker = ClusterWaker(store.environments, store.queue)
    stack.push_async_callback(waker.close)
    managers = await open_managers(settings.secrets_managers, metrics, stack)
    clusters = await open_clusters(settings, metrics, store, tools, managers, stack, waker.changed)
    own = clusters.default
    ports = Ports(
        environments=store.environments,
        pull_requests=github.pull_requests,
        contents=github.contents,
        checks=github.checks,
        collaborators=github.collaborators,
        installations=github.installations,
        deployments=github.deployments,
        reporter=github.reporter,
        registry=registry,
        renderer=own.renderer,
        namespaces=own.namespaces,
        workloads=own.workloads,
        data=own.data,
        health=own.health,
        services=own.services,
        gateway=own.gateway,
        fork_gateway=own.fork_gateway,
        secrets=own.secrets,
        clock=utc_now,
        describe=environment_reasons.describe,
        telemetry=metrics,
        metrics=await open_metrics(settings.gateway_metrics, stack),
        orders=store.rollout_orders,
    )
    return Dependencies(settings, metrics, store, github, clusters, ports)


def registry_client(settings: Settings) -> RegistryClient:
    return open_client(settings.registry_credentials, settings.private_registries)


def handlers(dependencies: Dependencies) -> dict[str, Handler]:
    """Handlers by kind of work."""
    store, settings, metrics = dependencies.store, dependencies.settings, dependencies.metrics
    github, clusters = dependencies.github, dependencies.clusters
    resync = Resync(
        ResyncPorts(
            github.installations,
            github.pull_requests,
            github.contents,
            github.deployments,
            store.environments,
            store.deliveries,
            store.queue,
        ),
        settings.resync_interval,
        settings.max_deletions_per_sweep,
        metrics,
    )
    return {
        "command": _commands(dependencies),
        "environment": EnvironmentHandler(
            dependencies.ports, _policy(dependencies), clusters.entering(dependencies.ports)
        ),
        "namespace": OrphanedNamespaces(
            store.environments,
            store.journal,
            clusters.namespaces,
            utc_now,
            environment_reasons.describe,
            metrics,
        ),
        "installation": resync.one_installation,
        "merge-group": MergeQueue(
            store.deliveries, github.contents, github.merge_groups, store.commands.check
        ),
        "resync": resync.one_repository,
        "drift": _drift(dependencies),
        "snapshot": SnapshotKeeper(store.snapshots, clusters.namespaces, utc_now),
        "sweep": Sweeper({"resync": resync.all_installations, **_sweeps(dependencies)}),
        **_promotions(dependencies),
    }


def adopter(dependencies: Dependencies, cluster: Cluster) -> Adopter:
    store = dependencies.store
    return Adopter(
        cluster.listing,
        store.snapshots,
        StageRecovery(_promotion_service(dependencies)),
        store.queue,
        read_snapshot,
    )


def activation(dependencies: Dependencies, cluster: Cluster) -> Activation:
    lease, identity = StoreLease(cluster.kubernetes), dependencies.store.identity
    is_default = cluster is dependencies.clusters.default
    return Activation(lease, identity, adopter(dependencies, cluster), is_default=is_default)


def view_reader(store: Store, github: GitHubApp) -> StageViewReader:
    return StageViewReader(
        store.promotions,
        store.environments,
        store.releases,
        store.audit,
        github.contents,
        store.drifts,
        utc_now,
    )


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
    }


def _commands(dependencies: Dependencies) -> Handler:
    store, github = dependencies.store, dependencies.github
    ports = CommandPorts(
        store.commands,
        store.environments,
        github.comments,
        github.pull_requests,
        github.collaborators,
        StageCommands(_promotion_service(dependencies)),
        StatusQuery(store.environments, store.journal, store.queue, view_reader(store, github), utc_now),
        utc_now,
        refusal_note,
    )
    return CommandHandler(ports, dependencies.settings.longest_ttl)


def _drift(dependencies: Dependencies) -> Handler:
    settings, clusters = dependencies.settings, dependencies.clusters

    def of_cluster(name: str, ports: Ports) -> DriftHandler:
        return DriftHandler.of(
            ports,
            _policy(dependencies),
            DriftLimits(settings.drift_interval, settings.drift_heals_per_day, settings.drift_ignored),
            dependencies.store.drifts,
            clusters.get(name).drift,
            dependencies.github.drift_issues,
            dependencies.metrics,
        )

    return DriftByCluster(dependencies.store.environments, clusters.entering(dependencies.ports), of_cluster)


def _promotions(dependencies: Dependencies) -> dict[str, Handler]:
    store, github, hosts = dependencies.store, dependencies.github, dependencies.host_grants
    readers = github.promotion_readers
    service = _promotion_service(dependencies)
    release_resolver = ReleaseResolver(
        readers, dependencies.ports.registry, dependencies.clusters.default.renderer, store.releases, utc_now
    )
    parity_service = ParityService(github.contents, dependencies.clusters.default.renderer)
    facts_reader = FactsReader(
        store.promotions,
        readers,
        release_resolver,
        parity_service,
        utc_now,
        hosts,
        dependencies.clusters.grants,
        store.drifts,
    )
    pins = DemoPins(service, release_resolver)
    return {
        "promotion": PromotionReconciler(service, facts_reader, github.reporter),
        "pipeline": DefaultBranchFollower(store.deliveries, service, pins),
    }


def _promotion_service(dependencies: Dependencies) -> PromotionService:
    store, readers = dependencies.store, dependencies.github.promotion_readers
    return PromotionService(store.promotions, store.releases, readers, utc_now, promotion_reasons.describe)


def _sweeps(dependencies: Dependencies) -> Mapping[str, Callable[[], Awaitable[None]]]:
    store, settings, metrics = dependencies.store, dependencies.settings, dependencies.metrics
    github, limit = dependencies.github, settings.max_deletions_per_sweep

    async def expire() -> None:
        await sweep_expired(store.environments, store.queue, utc_now(), limit, metrics)
        await sweep_expiry_warnings(store.environments, store.queue, utc_now(), metrics)

    async def redeliver() -> None:
        await sweep_failed_deliveries(github.installations, store.deliveries, utc_now(), metrics)

    async def delete_history() -> None:
        ports = HousekeepingPorts(store.deliveries, store.commands, store.releases, store.history)
        await sweep_history(ports, utc_now(), settings.history_retention, metrics)

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

    return {
        "expiry": expire,
        "redelivery": redeliver,
        "housekeeping": delete_history,
        "orphans": delete_orphans,
        "queue": partial(wake_queued_previews, store.environments, store.queue, _caps(settings), metrics),
        "lost": remove_repositories,
        "drift": partial(sweep_drift, store.environments, store.queue, settings.drift_interval, metrics),
    }


def _policy(dependencies: Dependencies) -> Policy:
    settings = dependencies.settings
    return Policy(
        default_ttl=settings.default_ttl,
        longest_ttl=settings.longest_ttl,
        caps=_caps(settings),
        default_size=settings.default_size.within(settings.largest_size),
        largest_size=settings.largest_size,
        fork_size=settings.fork_size,
        hosts=dependencies.host_grants,
        clusters=dependencies.clusters.grants,
        sizes=dependencies.clusters.sizes,
        digest_key=settings.digest_key,
    )


def _caps(settings: Settings) -> Caps:
    return Caps(
        author=settings.max_previews_per_author,
        repository=settings.max_previews_per_repository,
        installation=settings.max_previews,
    )
