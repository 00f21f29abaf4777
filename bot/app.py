"""The composition root: one process of the bot."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from bot.cluster.client.api import KubernetesApi
from bot.cluster.confinement import await_confinement, prove_confinement
from bot.cluster.session import ClusterSession
from bot.cluster.watch import Watcher
from bot.clusters import Cluster
from bot.environments.activation import Activation
from bot.environments.cluster_waker import ClusterWaker
from bot.github.app import GitHubApp
from bot.model.delivery import Delivery, PermissionsAccepted, WebhookEffect
from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError, Unavailable
from bot.model.work import WorkKey
from bot.settings import Settings
from bot.store.store import utc_now
from bot.sweeps.schedule import Schedule
from bot.web.application import create_application
from bot.web.health import health_routes
from bot.web.metrics import Metrics, metrics_route
from bot.web.pages.access import Access
from bot.web.pages.actions.pages import ActionPages, ActionPorts
from bot.web.pages.changes import ChangeFeed, ChangePages
from bot.web.pages.dashboard import DashboardPage
from bot.web.pages.environments import EnvironmentPages, PagePorts
from bot.web.pages.routes import page_routes, unconfigured_routes
from bot.web.pages.session import Sessions
from bot.web.pages.sign_in import SignInPages
from bot.web.pages.site import Site
from bot.web.pages.stages import StagePages
from bot.web.waker import Domains, Waker
from bot.web.waker_page import WakerPage
from bot.web.webhooks import Recorder, WebhookEndpoint
from bot.wiring.activation import activation as build_activation
from bot.wiring.dependencies import Dependencies, open_dependencies
from bot.wiring.handlers import handlers
from bot.wiring.promotions import view_reader
from bot.wiring.scrape import read_metrics
from bot.wiring.sweeps import intervals
from bot.worker import Worker

log = structlog.get_logger()

_POLICY_SECONDS = 15
"""A policy that was applied with the bot takes some seconds to take effect."""
_PROOF_PAUSE = 10
_RELEASE_SECONDS = 3


class App:
    """Receives webhooks, works and sweeps. Any number of processes can share one store."""

    web: ASGIApp
    waker: ASGIApp | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._metrics = Metrics()
        self._worker: Worker | None = None
        self._activation: Activation | None = None
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises a GreenroomError when a setting or a service prevents the start."""
        settings, metrics = self._settings, self._metrics
        dependencies = await open_dependencies(settings, metrics, self._stack)
        default = dependencies.clusters.default
        await self._require_confinement(default.kubernetes)
        self._activation = activation = build_activation(dependencies, default)
        self.web = _web_application(dependencies, activation)
        if settings.waker_port is not None:
            self.waker = _waker_application(dependencies, activation)
        try:
            if await activation.start():
                self._start_work(dependencies)
        except Unavailable as error:
            log.warning("store lease not taken yet", reason=str(error))
        self._background.append(asyncio.create_task(self._stay_active(dependencies, activation)))
        log.info("started", github=settings.github_api_url, gateway=settings.gateway)

    def _start_work(self, dependencies: Dependencies) -> None:
        settings, queue = self._settings, dependencies.store.queue
        self._worker = Worker(queue, handlers(dependencies), settings.workers, self._metrics.worked)
        self._worker.start()
        self._background.append(asyncio.create_task(_wake_changed_environments(dependencies)))
        self._background += [
            asyncio.create_task(_use_cluster(dependencies, cluster, cluster.session))
            for cluster in dependencies.clusters
            if cluster.session is not None
        ]
        schedule = Schedule(intervals(settings), queue.enqueue)
        schedule.start()
        self._stack.callback(schedule.stop)

    async def _stay_active(self, dependencies: Dependencies, activation: Activation) -> None:
        """Ends the process when another store is active: it starts again and waits."""
        try:
            await activation.run(lambda: self._start_work(dependencies))
        except GreenroomError as error:
            log.critical("stopping", reason=str(error))
        if self._worker is not None:
            await self._worker.drain(0)
        os.kill(os.getpid(), signal.SIGTERM)

    async def _require_confinement(self, kubernetes: KubernetesApi) -> None:
        """Raises NotConfined. While the API server does not answer, the proof is repeated until it does."""
        app_id = self._settings.github_app_id
        try:
            await await_confinement(kubernetes, app_id, _POLICY_SECONDS)
        except Unavailable as error:
            log.warning("admission policy not tested yet", reason=str(error))
            self._background.append(asyncio.create_task(_prove_later(kubernetes, app_id)))

    async def drain(self, timeout_seconds: float) -> None:
        """Finishes running work, returns the rest to the queue and closes all clients.

        Also cleans up after an incomplete start.
        """
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._worker is not None:
            await self._worker.drain(timeout_seconds)
        if self._activation is not None and self._settings.has_one_process:
            try:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._activation.release()
            except (GreenroomError, TimeoutError) as error:
                log.info("store lease not released, it expires", reason=str(error))
        await self._stack.aclose()


@dataclass(frozen=True, slots=True)
class DeliveryRecorder:
    """Records deliveries. First drops tokens that lack the permissions which a delivery reports.

    A store that is not active accepts none: the sweep of the active one requests them again.
    """

    deliveries: Recorder
    github: GitHubApp
    require_active: Callable[[], None]

    async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect]) -> None:
        self.require_active()
        for effect in effects:
            if isinstance(effect, PermissionsAccepted):
                self.github.client.permissions_changed(effect.installation_id)
        await self.deliveries.record(delivery, effects)


async def _prove_later(kubernetes: KubernetesApi, app_id: int) -> None:
    """Ends the process, by the signal that drains it, when the cluster does not confine the bot."""
    while True:
        await asyncio.sleep(_PROOF_PAUSE)
        try:
            await prove_confinement(kubernetes, app_id)
        except Unavailable:
            continue
        except GreenroomError as error:
            log.critical("stopping", reason=str(error))
            os.kill(os.getpid(), signal.SIGTERM)
        return


async def _wake_changed_environments(dependencies: Dependencies) -> None:
    """Watches the cluster, and wakes every environment whose objects change."""

    await Watcher(dependencies.clusters.default.kubernetes).run(_waker(dependencies))


async def _use_cluster(dependencies: Dependencies, cluster: Cluster, session: ClusterSession) -> None:
    """A cluster beside the default one: what happened before it is in use is caught up."""
    waker = ClusterWaker(dependencies.store.environments, dependencies.store.queue)
    activation = build_activation(dependencies, cluster)
    await session.run(activation, _waker(dependencies), lambda: waker.wake(cluster.name))


def _waker(dependencies: Dependencies) -> Callable[[EnvironmentKey], None]:
    def wake(key: EnvironmentKey) -> None:
        dependencies.store.queue.wake(WorkKey.environment(key))

    return wake


def _web_application(dependencies: Dependencies, activation: Activation) -> ASGIApp:
    store, metrics = dependencies.store, dependencies.metrics

    async def store_problem() -> str | None:
        await store.ping()
        return None

    async def inactive() -> str | None:
        return None if activation.active else activation.problem

    async def refresh_metrics() -> None:
        metrics.clusters({cluster.name: not cluster.problem for cluster in dependencies.clusters})
        await read_metrics(store, metrics)

    recorder = DeliveryRecorder(store.deliveries, dependencies.github, activation.require)
    site = Site(dependencies.settings.public_url, dependencies.github.web_url, utc_now)
    webhooks = WebhookEndpoint(recorder, dependencies.settings.webhook_secrets, metrics)
    return create_application(
        [
            webhooks.route(),
            *health_routes({"store": store_problem, "active store": inactive}),
            metrics_route(metrics, refresh_metrics),
            *_pages(dependencies, site),
        ],
        site.http_error,
    )


def _waker_application(dependencies: Dependencies, activation: Activation) -> ASGIApp:
    """The second port; it serves nothing else."""
    settings = dependencies.settings
    own, fork = settings.base_domain, settings.fork_base_domain or settings.base_domain
    waker = Waker(
        dependencies.store.environments,
        Domains(own.host, fork.host),
        WakerPage(settings.public_url),
        activation.require,
        utc_now,
    )
    return create_application([Route("/{path:path}", waker)])


def _pages(dependencies: Dependencies, site: Site) -> list[BaseRoute]:
    """The web pages; without credentials for sign-in, a page that explains how to enable them."""
    settings, store, github = dependencies.settings, dependencies.store, dependencies.github
    if settings.github_client_id is None or settings.github_client_secret is None:
        return unconfigured_routes(site)
    secret = settings.github_client_secret.get_secret_value()
    sessions = Sessions(secret, settings.public_url, utc_now)
    sign_in = SignInPages(site, github.sign_in(settings.github_client_id, secret), sessions)
    access = Access(github.collaborators)
    ports = PagePorts(
        store.environments,
        store.journal,
        store.queue,
        store.usages,
        store.commands,
        lambda name: dependencies.clusters.get(name).diagnostics,
        store.attempts,
    )
    views = view_reader(store, github)
    stages = StagePages(site, sessions, access, store.promotions, views, store.commands, utc_now)
    action_ports = ActionPorts(
        store.commands, store.environments, github.pull_requests, views, store.promotions
    )
    actions = ActionPages(site, sessions, access, action_ports, utc_now)
    dashboard = DashboardPage(site, sessions, access, store.environments, store.dashboard, utc_now)
    environments = EnvironmentPages(site, sessions, access, ports, utc_now)
    changes = ChangePages(sessions, access, store.environments, ChangeFeed(store.changes))
    return page_routes(sign_in, dashboard, changes, environments, stages, actions)
