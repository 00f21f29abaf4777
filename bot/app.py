"""The composition root: the one place that wires the rooms together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from bot.cluster.client import Api
from bot.cluster.cluster import KubernetesCluster
from bot.cluster.connection import connect
from bot.cluster.gateway import HttpGateway
from bot.cluster.policy import Policy as ClusterPolicy
from bot.cluster.renderer import Renderer
from bot.cluster.tools.tools import Tools
from bot.cluster.watch import Watcher
from bot.cluster.witness import Witness
from bot.commands.handler import Handler as CommandHandler
from bot.commands.handler import Peers as CommandPeers
from bot.commands.staging import Staging
from bot.commands.telling import Telling
from bot.environments.handler import Handler as EnvironmentHandler
from bot.environments.run import Peers, Policy
from bot.environments.second import SecondNamespaces
from bot.github.app import GitHubApp
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError
from bot.model.places import Caps
from bot.model.promotion import PromotionState
from bot.model.work import WorkKey
from bot.promotions.asking import Asking
from bot.promotions.comparing import Comparing
from bot.promotions.following import Following
from bot.promotions.inquiry import Inquiry
from bot.promotions.listening import Listening
from bot.promotions.pins import Pins
from bot.promotions.promoter import Promoter
from bot.promotions.sources import Sources
from bot.promotions.storyteller import Storyteller
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials
from bot.secrets.environment import EnvironmentSecrets
from bot.secrets.kubernetes import KubernetesSecrets
from bot.settings import Domain, Settings
from bot.store import Store
from bot.store.store import utc_now
from bot.sweeps.deployments import deployments
from bot.sweeps.expiry import expiry, warnings
from bot.sweeps.forgotten import forgotten
from bot.sweeps.lost import lost
from bot.sweeps.orphans import Rooms as OrphanRooms
from bot.sweeps.orphans import orphans
from bot.sweeps.redelivery import redelivery
from bot.sweeps.resync import Resync
from bot.sweeps.schedule import Schedule, Sweeper
from bot.web.application import create_application
from bot.web.health import health_routes
from bot.web.metrics import DeliveryMetrics, Metrics, metrics_route
from bot.web.pages.access import Access
from bot.web.pages.environments import Pages, Rooms
from bot.web.pages.routes import closed_routes, page_routes
from bot.web.pages.session import Sessions
from bot.web.pages.sign_in import SignIn
from bot.web.pages.site import Site
from bot.web.pages.stages import StagePages
from bot.web.webhooks import Webhooks
from bot.worker import Handler, Worker

log = structlog.get_logger()

_KEEP_DELIVERIES = timedelta(days=7)
"""GitHub redelivers what is younger than three days; a guid must be known for longer than that."""
_KEEP_RELEASES = timedelta(days=90)
"""Hardly anybody names an older one that runs nowhere; one of the default branch is then made anew."""
_FORGET_AT_ONCE = 500
"""So that nobody waits for the database for long; the next sweep goes on."""


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
        policy, tools = ClusterPolicy.of(settings), Tools(settings.render_hosts)
        cluster = KubernetesCluster(api, policy, tools)
        asking = Asking(store.promotions, store.releases, github, utc_now)
        peers = Peers(
            environments=store.environments,
            github=github,
            registry=await stack.enter_async_context(self._registry()),
            cluster=cluster,
            gateway=await stack.enter_async_context(self._gateway(settings.base_domain)),
            fork_gateway=await stack.enter_async_context(
                self._gateway(settings.fork_base_domain or settings.base_domain)
            ),
            secrets={
                "env": EnvironmentSecrets(os.environ),
                "kubernetes": KubernetesSecrets(cluster.secret, settings.secrets_namespaces),
            },
            clock=utc_now,
            telemetry=self._metrics,
            promotions=Listening(store.promotions, store.releases),
        )
        sources = Sources(github, peers.registry, peers.cluster, store.releases, utc_now)
        self.web = self._routes(store, self._pages(store, github, Witness(api)))
        handlers = self._handlers(store, github, cluster, peers) | {
            "promotion": self._promoter(store, github, sources, Renderer(policy, tools), asking),
            "pipeline": Following(
                store.deliveries, github, asking, Pins(store.promotions, github, sources, utc_now)
            ),
        }
        self._worker = Worker(store.queue, handlers, settings.workers, self._metrics.worked)
        self._worker.start()
        self._tasks.append(asyncio.create_task(self._wake_changed(api, store)))
        schedule = Schedule(self._intervals(), store.queue.enqueue)
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

    def _handlers(
        self, store: Store, github: GitHubApp, cluster: KubernetesCluster, peers: Peers
    ) -> dict[str, Handler]:
        settings, metrics = self._settings, self._metrics
        limit = settings.max_deletions_per_sweep
        resync = Resync(github, store.environments, store.deliveries, limit, metrics)

        async def expire() -> None:
            await expiry(store.environments, store.queue, utc_now(), limit, metrics)
            await warnings(store.environments, store.queue, utc_now(), metrics)

        async def redeliver() -> None:
            await redelivery(github, store.deliveries, utc_now(), metrics)
            await store.deliveries.forget(utc_now() - _KEEP_DELIVERIES)
            await store.commands.forget(utc_now() - _KEEP_DELIVERIES)
            await store.releases.forget(utc_now() - _KEEP_RELEASES, _FORGET_AT_ONCE)

        async def find_deployments() -> None:
            await deployments(github, store.environments, store.deliveries, metrics)

        async def find_lost() -> None:
            await lost(store.environments, store.deliveries, utc_now(), limit, metrics)

        async def find_orphans() -> None:
            rooms = OrphanRooms(cluster, store.environments, store.deliveries, store.queue)
            await orphans(rooms, limit, metrics)

        async def wake_queue() -> None:
            await forgotten(store.environments, store.queue, self._caps(), metrics)

        sweeps = {
            "resync": resync.all,
            "expiry": expire,
            "redelivery": redeliver,
            "orphans": find_orphans,
            "queue": wake_queue,
            "lost": find_lost,
            "deployments": find_deployments,
        }
        commanding = CommandPeers(
            store.commands,
            store.environments,
            github,
            Staging(Asking(store.promotions, store.releases, github, utc_now)),
            Telling(
                store.environments, store.journal, store.queue, self._storyteller(store, github), utc_now
            ),
            utc_now,
        )
        return {
            "command": CommandHandler(commanding, settings.longest_ttl),
            "environment": EnvironmentHandler(peers, self._policy()),
            "namespace": SecondNamespaces(store.environments, store.journal, cluster, utc_now, metrics),
            "resync": resync.one,
            "sweep": Sweeper(sweeps),
        }

    def _storyteller(self, store: Store, github: GitHubApp) -> Storyteller:
        return Storyteller(store.promotions, store.environments, store.releases, store.audit, github, utc_now)

    def _promoter(
        self, store: Store, github: GitHubApp, sources: Sources, renderer: Renderer, asking: Asking
    ) -> Promoter:
        comparing = Comparing(github, renderer)
        promotions, hosts = store.promotions, self._settings.host_grants
        inquiry = Inquiry(promotions, store.environments, github, sources, comparing, utc_now, hosts)
        return Promoter(promotions, github, inquiry, asking, utc_now)

    def _policy(self) -> Policy:
        settings = self._settings
        return Policy(
            default_ttl=settings.default_ttl,
            longest_ttl=settings.longest_ttl,
            caps=self._caps(),
            default_size=settings.default_size.within(settings.largest_size),
            largest_size=settings.largest_size,
            fork_size=settings.fork_size,
            hosts=settings.host_grants,
            digest_key=settings.digest_key,
        )

    def _caps(self) -> Caps:
        settings = self._settings
        return Caps(
            author=settings.max_previews_per_author,
            repository=settings.max_previews_per_repository,
            installation=settings.max_previews,
        )

    def _intervals(self) -> Mapping[str, timedelta]:
        settings = self._settings
        return {
            "resync": settings.resync_interval,
            "expiry": settings.expiry_interval,
            "queue": settings.expiry_interval,
            "redelivery": settings.redelivery_interval,
            "orphans": settings.orphans_interval,
            "lost": settings.orphans_interval,
            "deployments": settings.orphans_interval,
        }

    async def _wake_changed(self, api: Api, store: Store) -> None:
        """The cluster's watches put the keys of changed environments back into the queue."""

        async def changed(key: EnvironmentKey) -> None:
            await store.queue.enqueue([WorkKey.environment(key)])

        await Watcher(api).run(changed)

    def _pages(self, store: Store, github: GitHubApp, witness: Witness) -> list[BaseRoute]:
        settings = self._settings
        site = Site(settings.public_url, github.web_url, utc_now)
        if settings.github_client_id is None or settings.github_client_secret is None:
            return closed_routes(site)
        secret = settings.github_client_secret.get_secret_value()
        sessions = Sessions(secret, settings.public_url, utc_now)
        sign_in = SignIn(site, github.sign_in(settings.github_client_id, secret), sessions)
        rooms = Rooms(store.environments, store.journal, store.queue, witness)
        access = Access(github)
        stages = StagePages(site, sessions, access, store.promotions, self._storyteller(store, github))
        return page_routes(sign_in, Pages(site, sessions, access, rooms, utc_now), stages)

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
            figures = await store.census.take()
            metrics.environments(_every(EnvironmentState, figures.environments))
            metrics.promotions(_every(PromotionState, figures.promotions), figures.approval_seconds)
            metrics.kept_stages({"lock": figures.locked, "hold": figures.held})

        webhooks = Webhooks(store.deliveries, self._settings.webhook_secrets)
        return create_application(
            [*health_routes({"store": answers}), metrics_route(metrics, refresh), *pages],
            posts={"/webhooks": DeliveryMetrics(webhooks, metrics)},
        )


def _every(states: Iterable[str], counted: Mapping[str, int]) -> Mapping[str, int]:
    """Also those that there are none of."""
    return {str(state): counted.get(state, 0) for state in states}
