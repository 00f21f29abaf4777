"""The store and the clients of one process."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from bot.cluster.render.tools import Tools
from bot.clusters import Clusters, open_clusters
from bot.environments.cluster_waker import ClusterWaker
from bot.environments.port_set import Ports
from bot.github.app import GitHubApp
from bot.github.messages import environment_reasons
from bot.github.resources.modules import ModuleRepositories
from bot.metrics.provider_file import read_providers
from bot.metrics.providers import MetricsProviders, open_providers
from bot.model.hosts import HostGrants
from bot.registry.charts import open_charts
from bot.registry.client import RegistryClient, open_client
from bot.secrets.managers import open_managers
from bot.settings import Settings
from bot.store import Store
from bot.store.store import utc_now
from bot.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The store and all clients of one process."""

    settings: Settings
    metrics: Metrics
    store: Store
    github: GitHubApp
    clusters: Clusters
    ports: Ports
    """Ports of the default cluster."""
    metrics_providers: MetricsProviders

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
    clusters = await open_clusters(settings, metrics, store, tools, managers.providers, stack, waker.changed)
    own = clusters.default
    gateways = {
        cluster.name: cluster.settings.gateway_metrics
        for cluster in clusters
        if cluster.settings.gateway_metrics is not None
    }
    servers = read_providers(settings.metrics_providers)
    metrics_providers = await open_providers(gateways, servers, os.environ, stack)
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
        diagnostics=own.diagnostics,
        services=own.services,
        gateway=own.gateway,
        fork_gateway=own.fork_gateway,
        secrets=own.secrets,
        external=own.external,
        credentials=managers.credentials,
        secret_objects=own.secret_objects,
        clock=utc_now,
        describe=environment_reasons.describe,
        telemetry=metrics,
        metrics=metrics_providers,
        orders=store.rollout_orders,
        infrastructure=own.infrastructure,
        commits=github.commits,
        modules=ModuleRepositories(github.client, github.commits, settings.terraform_module_repositories),
    )
    return Dependencies(settings, metrics, store, github, clusters, ports, metrics_providers)


def registry_client(settings: Settings) -> RegistryClient:
    return open_client(settings.registry_credentials, settings.private_registries)
