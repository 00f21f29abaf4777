"""Reads the Services in front of an environment's pods, and whether they answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import ENDPOINT_SLICE, POD, SERVICE
from bot.cluster.names import ENVIRONMENT
from bot.cluster.routing.services import selects
from bot.model.manifest import Manifest, ServiceState

Object = Mapping[str, Any]

_SERVICE_NAME = "kubernetes.io/service-name"
_WORKLOADS = ("Deployment", "StatefulSet")
_CONNECT_SECONDS = 0.3
_MOST_PORTS = 4


class KubernetesServices:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses.

    `in_cluster`: the bot runs in a pod of this cluster, so that it can reach addresses of Services.
    """

    def __init__(self, api: KubernetesApi, *, in_cluster: bool) -> None:
        self._api = api
        self._in_cluster = in_cluster

    async def services(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ServiceState]:
        """The Services among the objects that select pods of the workloads among them."""
        names = [manifest["metadata"]["name"] for manifest in objects if _has_pods(manifest, objects)]
        if not names:
            return ()
        services, slices, pods = await asyncio.gather(
            self._api.list(SERVICE, namespace, labels=ENVIRONMENT),
            self._api.list(ENDPOINT_SLICE, namespace),
            self._api.list(POD, namespace, labels=ENVIRONMENT),
        )
        live = {service["metadata"]["name"]: service for service in services.items}
        ready = {pod["metadata"]["name"]: _ready_at(pod) for pod in pods.items}
        return [_state(name, live.get(name, {}), slices.items, ready) for name in names]

    async def answers(self, service: ServiceState) -> bool:
        """Whether a connection through the Service's address succeeds. A failure may be a network policy."""
        if not self._in_cluster:
            return False
        addresses = service.addresses[:_MOST_PORTS]
        return any(await asyncio.gather(*(_connects(*address) for address in addresses)))


def _has_pods(service: Manifest, objects: Sequence[Manifest]) -> bool:
    if service["kind"] != "Service":
        return False
    selector = service["spec"].get("selector") or {}
    return any(
        selects(selector, manifest)
        for manifest in objects
        if manifest["kind"] in _WORKLOADS and manifest["spec"].get("replicas") != 0
    )


def _state(
    name: str, live: Object, slices: Sequence[Object], ready: Mapping[str, datetime | None]
) -> ServiceState:
    endpoints = [
        endpoint
        for endpoint_slice in slices
        if (endpoint_slice["metadata"].get("labels") or {}).get(_SERVICE_NAME) == name
        for endpoint in endpoint_slice.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]
    pods = [endpoint.get("targetRef") or {} for endpoint in endpoints]
    times = [ready.get(pod.get("name", "")) for pod in pods]
    moments = [time for time in times if time is not None]
    pairs = zip(pods, endpoints, strict=True)
    identity = sorted(str((pod.get("uid"), endpoint.get("addresses"))) for pod, endpoint in pairs)
    return ServiceState(
        name,
        hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16] if identity else "",
        max(moments) if moments and len(moments) == len(times) else None,
        tuple(_addresses(live.get("spec") or {})),
    )


def _addresses(spec: Object) -> Iterator[tuple[str, int]]:
    address = spec.get("clusterIP")
    for port in spec.get("ports") or []:
        if address not in (None, "", "None") and port.get("protocol", "TCP") == "TCP":
            yield str(address), int(port["port"])


def _ready_at(pod: Object) -> datetime | None:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Ready" and condition.get("lastTransitionTime"):
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
