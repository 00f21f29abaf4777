"""Builds the handlers of the work queue."""

from __future__ import annotations

from bot.commands.handler import CommandHandler, CommandPorts
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.environments.handler import EnvironmentHandler
from bot.environments.merge_queue import MergeQueue
from bot.environments.orphaned_namespace import OrphanedNamespaces
from bot.environments.port_set import Ports
from bot.environments.snapshots import SnapshotKeeper
from bot.github.messages import environment_reasons
from bot.github.messages.command_reasons import refusal_note
from bot.infrastructure.drift.by_cluster import DriftByCluster
from bot.infrastructure.drift.handler import DriftHandler, DriftLimits
from bot.store.store import utc_now
from bot.sweeps.resync import Resync, ResyncPorts
from bot.sweeps.schedule import Sweeper
from bot.wiring.dependencies import Dependencies
from bot.wiring.policy import policy
from bot.wiring.promotions import promotion_handlers, promotion_service, view_reader
from bot.wiring.sweeps import sweeps
from bot.worker import Handler


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
            dependencies.ports, policy(dependencies), clusters.entering(dependencies.ports)
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
        "sweep": Sweeper({"resync": resync.all_installations, **sweeps(dependencies)}),
        **promotion_handlers(dependencies),
    }


def _commands(dependencies: Dependencies) -> Handler:
    store, github = dependencies.store, dependencies.github
    ports = CommandPorts(
        store.commands,
        store.environments,
        github.comments,
        github.pull_requests,
        github.collaborators,
        StageCommands(promotion_service(dependencies)),
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
            policy(dependencies),
            DriftLimits(
                settings.drift_interval,
                settings.drift_heals_per_day,
                settings.drift_infrastructure_interval,
                settings.drift_ignored,
            ),
            dependencies.store.drifts,
            clusters.get(name).drift,
            dependencies.github.drift_issues,
            dependencies.metrics,
        )

    return DriftByCluster(dependencies.store.environments, clusters.entering(dependencies.ports), of_cluster)
