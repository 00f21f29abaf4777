"""Opens the clients of all clusters, each with its own connection, gateway and share of the workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from bot.cluster.apply import KubernetesWorkloads
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect, open_transport
from bot.cluster.client.kinds import custom_kind
from bot.cluster.client.named_transport import ClosedTransport, NamedTransport
from bot.cluster.client.transport import RequestTransport, Transport
from bot.cluster.clusters_file import ClusterSettings, grants_of, read_clusters
from bot.cluster.data import KubernetesData
from bot.cluster.drift import KubernetesDrift
from bot.cluster.external_secrets import GrantedStores
from bot.cluster.health.diagnostics import DiagnosticsReader
from bot.cluster.health.observe import KubernetesHealth
from bot.cluster.health.services import KubernetesServices
from bot.cluster.infrastructure.driver import KubernetesInfrastructure
from bot.cluster.infrastructure.policy import TerraformPolicy
from bot.cluster.names import FIELD_MANAGER
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.cluster.rollouts.rollouts import KubernetesRollouts
from bot.cluster.routing.gateway import HttpGateway
from bot.cluster.secret_objects import KubernetesSecretObjects
from bot.cluster.secrets import read_operator_secret
from bot.cluster.session import ClusterSession
from bot.environments.policy import SizeLimits
from bot.environments.port_set import EnterCluster, Ports
from bot.environments.ports import Gateway
from bot.environments.secret_ports import ExternalStores, SecretObjects, SecretProvider
from bot.environments.share import Share
from bot.model.clusters import ClusterGrants
from bot.model.errors import GreenroomError
from bot.secrets.environment import EnvironmentSecrets
from bot.secrets.kubernetes import KubernetesSecrets
from bot.settings import Domain, Settings
from bot.store import Store
from bot.store.store import utc_now

Changed = Callable[[str, bool], None]
"""Called with the name of a cluster when it became unreachable (True) or answers again (False)."""


class ClusterTelemetry(Protocol):
    def cluster_call(self, method: str, status: int | None, cluster: str) -> None:
        """Counts a call of a cluster's API; `status` is None when there was no answer."""


@dataclass(frozen=True, slots=True)
class _OfCluster:
    """Counts the calls of one cluster."""

    telemetry: ClusterTelemetry
    name: str

    def cluster_call(self, method: str, status: int | None) -> None:
        self.telemetry.cluster_call(method, status, self.name)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The clients of one cluster. Those of environments refuse all calls while the cluster is not in use."""

    name: str
    settings: Settings
    """The settings with the cluster's own values."""
    kubernetes: KubernetesApi
    """For what takes the cluster into use."""
    listing: KubernetesNamespaces
    """Reads namespaces before the cluster is in use."""
    namespaces: KubernetesNamespaces
    renderer: ManifestRenderer
    workloads: KubernetesWorkloads
    data: KubernetesData
    health: KubernetesHealth
    services: KubernetesServices
    drift: KubernetesDrift
    diagnostics: DiagnosticsReader
    rollouts: KubernetesRollouts
    infrastructure: KubernetesInfrastructure
    gateway: Gateway
    fork_gateway: Gateway
    secrets: Mapping[str, SecretProvider]
    external: ExternalStores
    secret_objects: SecretObjects
    share: Share
    transport: NamedTransport | None = None
    session: ClusterSession | None = None
    """Takes the cluster into use; None for the default one."""

    def serve(self, ports: Ports) -> Ports:
        """The ports with this cluster's clients."""
        return replace(
            ports,
            renderer=self.renderer,
            namespaces=self.namespaces,
            workloads=self.workloads,
            data=self.data,
            health=self.health,
            diagnostics=self.diagnostics,
            services=self.services,
            gateway=self.gateway,
            fork_gateway=self.fork_gateway,
            secrets=self.secrets,
            external=self.external,
            secret_objects=self.secret_objects,
            rollouts=self.rollouts,
            infrastructure=self.infrastructure,
        )

    @property
    def problem(self) -> str:
        """Why it cannot be used, as a sentence; "" when it can."""
        unreachable = self.transport.problem if self.transport is not None else ""
        return unreachable or (self.session.problem if self.session is not None else "")


class Clusters:
    """All clusters of the operator's file, or the only one."""

    def __init__(
        self,
        clusters: Mapping[str, Cluster],
        grants: ClusterGrants,
        domains: tuple[str, ...],
        absent: Callable[[str], Cluster],
    ) -> None:
        self._clusters = clusters
        self._absent = absent
        self.grants = grants
        self.domains = domains
        """The domains of generated hosts."""

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._clusters.values())

    @property
    def default(self) -> Cluster:
        return self._clusters[self.grants.default]

    @property
    def sizes(self) -> Mapping[str, SizeLimits]:
        """The bounds of sizes by cluster."""
        return {
            cluster.name: SizeLimits(cluster.settings.largest_size, cluster.settings.fork_size)
            for cluster in self
        }

    def get(self, name: str) -> Cluster:
        """ "" is the default one. Calls to a cluster that the file does not list raise Unavailable."""
        return self._clusters.get(name or self.grants.default) or self._absent(name)

    def entering(self, ports: Ports) -> EnterCluster:
        @contextmanager
        def enter(name: str) -> Iterator[Ports]:
            cluster = self.get(name)
            with cluster.share.slot():
                yield cluster.serve(ports)

        return enter

    @contextmanager
    def namespaces(self, name: str) -> Iterator[KubernetesNamespaces]:
        """Within the cluster's share of the workers. Raises Deferred while it is used up."""
        cluster = self.get(name)
        with cluster.share.slot():
            yield cluster.namespaces


async def open_clusters(
    settings: Settings,
    telemetry: ClusterTelemetry,
    store: Store,
    tools: Tools,
    managers: Mapping[str, SecretProvider],
    stack: AsyncExitStack,
    changed: Changed,
) -> Clusters:
    """Raises SettingsError for an invalid file. Listed clusters may be unreachable."""
    listed = read_clusters(settings)
    limit = max(1, settings.workers // 2) if len(listed) > 1 else None
    opener = _Opener(settings, telemetry, store, tools, managers, stack)
    clusters = {}
    for entry in listed:
        share = Share(entry.name, limit, utc_now)
        own = partial(changed, entry.name)
        clusters[entry.name] = await opener.open(entry, share, own, is_default=entry is listed[0])
    domains = [
        domain.host
        for entry in listed
        for domain in (entry.settings.base_domain, entry.settings.fork_base_domain)
        if domain is not None
    ]
    return Clusters(clusters, grants_of(listed), tuple(dict.fromkeys(domains)), opener.absent)


@dataclass(frozen=True, slots=True)
class _Opener:
    settings: Settings
    telemetry: ClusterTelemetry
    store: Store
    tools: Tools
    managers: Mapping[str, SecretProvider]
    stack: AsyncExitStack

    async def open(
        self, entry: ClusterSettings, share: Share, changed: Callable[[bool], None], *, is_default: bool
    ) -> Cluster:
        gateways = [
            await self.stack.enter_async_context(_gateway(entry, domain))
            for domain in (
                entry.settings.base_domain,
                entry.settings.fork_base_domain or entry.settings.base_domain,
            )
        ]
        if not entry.listed:
            connected = await connect(entry.settings.kubeconfig, _OfCluster(self.telemetry, entry.name))
            kubernetes = await self.stack.enter_async_context(connected)
            return self._cluster(entry, share, kubernetes, kubernetes, gateways)
        transport = NamedTransport(entry.name, FIELD_MANAGER, partial(self._dial, entry), changed)
        self.stack.push_async_callback(transport.close)
        kubernetes = KubernetesApi(transport)
        if is_default:
            return self._cluster(entry, share, kubernetes, kubernetes, gateways, transport)
        session = ClusterSession(entry.name, kubernetes, self.settings.github_app_id)
        closed: RequestTransport = ClosedTransport(FIELD_MANAGER, lambda: session.problem, transport)
        return self._cluster(entry, share, kubernetes, KubernetesApi(closed), gateways, transport, session)

    def absent(self, name: str) -> Cluster:
        """Stands in for a cluster that the file no longer lists; all its calls fail."""
        problem = (
            f"The cluster {name} is not in the file of GREENROOM_CLUSTERS. The operator can list it again, "
            "or delete its namespaces and let the environments start elsewhere."
        )
        api = KubernetesApi(ClosedTransport(FIELD_MANAGER, lambda: problem, None))
        entry = ClusterSettings(name, self.settings, listed=True)
        gateway = HttpGateway(self.settings.base_domain)
        return self._cluster(entry, Share(name, None, utc_now), api, api, [gateway, gateway])

    async def _dial(self, entry: ClusterSettings) -> Transport:
        return await open_transport(
            entry.settings.kubeconfig,
            _OfCluster(self.telemetry, entry.name),
            context=entry.context,
            service=f"Kubernetes {entry.name}",
        )

    def _cluster(
        self,
        entry: ClusterSettings,
        share: Share,
        kubernetes: KubernetesApi,
        api: KubernetesApi,
        gateways: Sequence[Gateway],
        transport: NamedTransport | None = None,
        session: ClusterSession | None = None,
    ) -> Cluster:
        """`kubernetes` also works before the cluster is in use, `api` does not."""
        settings, app_id = entry.settings, self.settings.github_app_id
        policy = ClusterPolicy.of(settings)
        granted = KubernetesSecrets(partial(read_operator_secret, api), settings.secrets_namespaces)
        namespaces = KubernetesNamespaces(api, policy, app_id, self.store.snapshots, entry.name)
        health = KubernetesHealth(api)
        return Cluster(
            name=entry.name,
            settings=settings,
            kubernetes=kubernetes,
            listing=KubernetesNamespaces(kubernetes, policy, app_id, cluster=entry.name),
            namespaces=namespaces,
            renderer=ManifestRenderer(policy, self.tools),
            workloads=KubernetesWorkloads(api, list(map(custom_kind, policy.allowed_kinds))),
            data=KubernetesData(api),
            health=health,
            services=KubernetesServices(api, in_cluster=settings.kubeconfig is None),
            diagnostics=DiagnosticsReader(api, settings.github_app_id),
            drift=KubernetesDrift(api, namespaces, list(map(custom_kind, policy.allowed_kinds))),
            rollouts=KubernetesRollouts(api, map(custom_kind, policy.allowed_kinds)),
            infrastructure=KubernetesInfrastructure(
                api, TerraformPolicy.of(settings), health, app_id, self.settings.digest_key
            ),
            gateway=gateways[0],
            fork_gateway=gateways[1],
            secrets={"env": EnvironmentSecrets(os.environ), "kubernetes": granted, **self.managers},
            external=GrantedStores(policy),
            secret_objects=KubernetesSecretObjects(api),
            share=share,
            transport=transport,
            session=session,
        )


def _gateway(entry: ClusterSettings, domain: Domain) -> HttpGateway:
    settings = entry.settings
    try:
        return HttpGateway(domain, settings.gateway_address, settings.gateway_ca_file)
    except OSError as error:
        setting = (
            f"`gateway_ca_file` of the cluster {entry.name}" if entry.listed else "GREENROOM_GATEWAY_CA_FILE"
        )
        raise GreenroomError(f"{setting} is invalid: {error}") from None
