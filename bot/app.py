"""The composition root: the one place that wires the rooms together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from bot.cluster.apply import KubernetesWorkloads
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect
from bot.cluster.data import KubernetesData
from bot.cluster.health.diagnostics import DiagnosticsReader
from bot.cluster.health.observe import KubernetesHealth
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import ClusterPolicy as ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.cluster.routing.gateway import HttpGateway
from bot.cluster.secrets import read_secret
from bot.cluster.watch import Watcher
from bot.environments.context import Ports
from bot.github.app import GitHubApp
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError
from bot.model.promotion import PromotionState
from bot.model.work import WorkKey
from bot.promotions.listening import Listening
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials
from bot.secrets.environment import EnvironmentSecrets
from bot.secrets.kubernetes import KubernetesSecrets
from bot.settings import Domain, Settings
from bot.store import Store
from bot.store.store import utc_now
from bot.sweeps.schedule import Schedule
from bot.web.application import create_application
from bot.web.health import health_routes
from bot.web.metrics import Metrics, metrics_route
from bot.web.pages.access import Access
from bot.web.pages.environments import EnvironmentPages, PagePorts
from bot.web.pages.routes import page_routes, unconfigured_routes
from bot.web.pages.session import Sessions
from bot.web.pages.sign_in import SignIn
from bot.web.pages.site import Site
from bot.web.pages.stages import StagePages
from bot.web.webhooks import WebhookEndpoint
from bot.wiring import Dependencies, handlers, intervals, view_reader
from bot.worker import Worker

log = structlog.get_logger()


class App:
    """One process of the bot: receives, works and sweeps. Any number of them share one store."""

    web: ASGIApp

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._metrics = Metrics()
        self._worker: Worker | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises GreenroomErrors that say what to put right."""
        settings, stack = self._settings, self._stack
        store = await Store.open(settings.database_url.get_secret_value())
        stack.push_async_callback(store.close)
        await store.migrate()
        github = self._github()
        stack.push_async_callback(github.close)
        api = await stack.enter_async_context(await connect(settings.kubeconfig, self._metrics))
        policy = ClusterPolicy.of(settings)
        renderer = ManifestRenderer(policy, Tools(settings.render_hosts))
        namespaces = KubernetesNamespaces(api, policy)
        peers = Ports(
            environments=store.environments,
            pull_requests=github.pull_requests,
            contents=github.contents,
            checks=github.checks,
            collaborators=github.collaborators,
            installations=github.installations,
            deployments=github.deployments,
            reporter=github.reporter,
            registry=await stack.enter_async_context(self._registry()),
            renderer=renderer,
            namespaces=namespaces,
            workloads=KubernetesWorkloads(api),
            data=KubernetesData(api),
            health=KubernetesHealth(api),
            gateway=await stack.enter_async_context(self._gateway(settings.base_domain)),
            fork_gateway=await stack.enter_async_context(
                self._gateway(settings.fork_base_domain or settings.base_domain)
            ),
            secrets={
                "env": EnvironmentSecrets(os.environ),
                "kubernetes": KubernetesSecrets(partial(read_secret, api), settings.secrets_namespaces),
            },
            clock=utc_now,
            telemetry=self._metrics,
            promotions=Listening(store.promotions, store.releases),
        )
        self.web = self._routes(store, self._pages(store, github, DiagnosticsReader(api)))
        rooms = Dependencies(store, github, namespaces, renderer, peers, settings, self._metrics)
        self._worker = Worker(store.queue, handlers(rooms), settings.workers, self._metrics.worked)
        self._worker.start()
        self._tasks.append(asyncio.create_task(self._wake_changed(api, store)))
        schedule = Schedule(intervals(settings), store.queue.enqueue)
        schedule.start()
        stack.callback(schedule.stop)
        log.info("started", github=settings.github_api_url, gateway=settings.gateway)

    async def drain(self, timeout_seconds: float) -> None:
        """Lets running work end, hands back the rest and closes everything, also after half a start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._worker is not None:
            await self._worker.drain(timeout_seconds)
        await self._stack.aclose()

    def _github(self) -> GitHubApp:
        settings = self._settings
        return GitHubApp(
            api_url=settings.github_api_url,
            app_id=settings.github_app_id,
            private_key=settings.github_private_key.get_secret_value(),
            public_url=settings.public_url,
            ca_file=settings.github_ca_file,
            telemetry=self._metrics,
        )

    def _registry(self) -> RegistryClient:
        path = self._settings.registry_credentials
        try:
            credentials = Credentials.from_docker_config(Path(path).read_text()) if path else None
        except (OSError, ValueError) as error:
            raise GreenroomError(f"GREENROOM_REGISTRY_CREDENTIALS cannot be used: {error}") from None
        return RegistryClient(credentials, self._settings.private_registries)

    def _gateway(self, domain: Domain) -> HttpGateway:
        settings = self._settings
        try:
            return HttpGateway(domain, settings.gateway_address, settings.gateway_ca_file)
        except OSError as error:
            raise GreenroomError(f"GREENROOM_GATEWAY_CA_FILE cannot be used: {error}") from None

    async def _wake_changed(self, api: KubernetesApi, store: Store) -> None:
        """The cluster's watches put the keys of changed environments back into the queue."""

        async def changed(key: EnvironmentKey) -> None:
            await store.queue.enqueue([WorkKey.environment(key)])

        await Watcher(api).run(changed)

    def _pages(self, store: Store, github: GitHubApp, diagnostics: DiagnosticsReader) -> list[BaseRoute]:
        settings = self._settings
        site = Site(settings.public_url, github.web_url, utc_now)
        if settings.github_client_id is None or settings.github_client_secret is None:
            return unconfigured_routes(site)
        secret = settings.github_client_secret.get_secret_value()
        sessions = Sessions(secret, settings.public_url, utc_now)
        sign_in = SignIn(site, github.sign_in(settings.github_client_id, secret), sessions)
        ports = PagePorts(store.environments, store.journal, store.queue, diagnostics)
        access = Access(github.collaborators)
        stages = StagePages(site, sessions, access, store.promotions, view_reader(store, github))
        return page_routes(sign_in, EnvironmentPages(site, sessions, access, ports, utc_now), stages)

    def _routes(self, store: Store, pages: Sequence[BaseRoute]) -> ASGIApp:
        metrics = self._metrics

        async def answers() -> str | None:
            await store.ping()
            return None

        async def refresh() -> None:
            depth = await store.queue.depth()
            metrics.queue(
                {"due": depth.due, "later": depth.later, "running": depth.running}, depth.oldest_seconds
            )
            metrics.store_transactions(store.transactions)
            figures = await store.statistics.read()
            metrics.environments(_every(EnvironmentState, figures.environments))
            metrics.promotions(_every(PromotionState, figures.promotions), figures.approval_seconds)
            metrics.kept_stages({"lock": figures.locked, "hold": figures.held})

        webhooks = WebhookEndpoint(store.deliveries, self._settings.webhook_secrets, metrics)
        return create_application(
            [webhooks.route(), *health_routes({"store": answers}), metrics_route(metrics, refresh), *pages]
        )


def _every(states: Iterable[str], counted: Mapping[str, int]) -> Mapping[str, int]:
    """Also those that there are none of."""
    return {str(state): counted.get(state, 0) for state in states}
