"""All metrics providers of the operator, and which one an analysis asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bot.metrics.gateway import GatewayMetrics
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.provider_file import GATEWAY, PrometheusSettings
from bot.model.repository import Repository
from bot.model.rollout import Backend, Counts


@dataclass(frozen=True, slots=True)
class _OfCluster:
    """A Prometheus that is asked for the Services of one cluster."""

    prometheus: PrometheusMetrics
    cluster: str

    async def read(self, namespace: str, backends: Sequence[Backend]) -> Mapping[str, Counts]:
        return await self.prometheus.read(namespace, backends, self.cluster)


class MetricsProviders:
    def __init__(
        self,
        gateways: Mapping[str, GatewayMetrics],
        servers: Mapping[str, tuple[PrometheusSettings, PrometheusMetrics]],
    ) -> None:
        """`gateways` by cluster, `servers` by name."""
        self._gateways = gateways
        self._servers = servers

    @property
    def gateways(self) -> Mapping[str, GatewayMetrics]:
        """The metrics of gateways by cluster, which count the requests to previews."""
        return self._gateways

    def counts_requests(self, cluster: str) -> bool:
        """Whether the gateway of the cluster counts the requests to previews."""
        return cluster in self._gateways

    def names(self, repository: Repository, cluster: str) -> Sequence[str]:
        """The providers that the repository may choose for stages on the cluster."""
        granted = [
            name
            for name, (settings, _) in sorted(self._servers.items())
            if settings.covers(cluster) and repository.is_among(settings.repositories)
        ]
        return [GATEWAY, *granted] if cluster in self._gateways else granted

    def reader(
        self, name: str | None, repository: Repository, cluster: str
    ) -> GatewayMetrics | _OfCluster | None:
        """The provider of this name; without a name the gateway, or else the only one. None if none is."""
        names = self.names(repository, cluster)
        if name is None:
            name = GATEWAY if GATEWAY in names or len(names) != 1 else names[0]
        if name not in names:
            return None
        return self._gateways[cluster] if name == GATEWAY else _OfCluster(self._servers[name][1], cluster)


async def open_providers(
    gateways: Mapping[str, str],
    servers: Mapping[str, PrometheusSettings],
    variables: Mapping[str, str],
    stack: AsyncExitStack,
) -> MetricsProviders:
    """Opens the clients without a request; the stack closes them. `gateways` are URLs by cluster."""
    return MetricsProviders(
        {cluster: await stack.enter_async_context(GatewayMetrics(url)) for cluster, url in gateways.items()},
        {
            name: (settings, await stack.enter_async_context(PrometheusMetrics(name, settings, variables)))
            for name, settings in servers.items()
        },
    )
