"""The Services in front of an environment's pods, read from the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bot.cluster.client.api import Collection, KubernetesApi
from bot.cluster.client.kinds import Kind
from bot.cluster.health.services import KubernetesServices
from bot.model.manifest import Manifest, ServiceState
from tests.unit.cluster.manifests import Object, deployment, service, stateful_set

NAMED = {"kubernetes.io/service-name": "db"}


def endpoint(pod: str, *, ready: bool | None = True) -> Object:
    conditions = {} if ready is None else {"ready": ready}
    return {
        "addresses": [f"10.0.0.{len(pod)}"],
        "conditions": conditions,
        "targetRef": {"name": pod, "uid": f"uid-{pod}"},
    }


def endpoint_slice(*endpoints: Object, labels: Mapping[str, str] = NAMED) -> Object:
    return {"metadata": {"name": "db-x", "labels": labels}, "endpoints": list(endpoints)}


def pod(name: str, second: int) -> Object:
    became = f"2026-01-01T00:00:{second:02}Z"
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": became}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


class Cluster:
    """Lists of live objects by kind."""

    def __init__(self, **lists: list[Object]) -> None:
        self.lists = lists

    async def list(self, kind: Kind, namespace: str, **_: str) -> Collection:
        return Collection(self.lists.get(kind.name, []), "1")


def reader(*, in_cluster: bool = False, **lists: list[Object]) -> KubernetesServices:
    return KubernetesServices(cast(KubernetesApi, Cluster(**lists)), in_cluster=in_cluster)


async def state(*slices: Object, pods: list[Object] | None = None, **spec: Any) -> ServiceState:
    live = service("db", 5432, **spec)
    services = reader(Service=[live], EndpointSlice=list(slices), Pod=pods or [])
    [state] = await services.services("ns", [stateful_set(), service("db", 5432)])
    return state


async def test_service_without_slice_has_no_endpoints() -> None:
    assert (await state()).endpoints == ""
    assert (await state(endpoint_slice())).endpoints == ""
    assert (await state(endpoint_slice(endpoint("db-0", ready=False)))).endpoints == ""
    other = endpoint_slice(endpoint("web-0"), labels={"kubernetes.io/service-name": "web"})
    assert (await state(other)).endpoints == ""


async def test_unknown_readiness_of_an_endpoint_counts_as_ready() -> None:
    assert (await state(endpoint_slice(endpoint("db-0", ready=None)))).endpoints


async def test_endpoints_change_with_the_pods_but_not_with_their_order() -> None:
    first, second = endpoint("db-0"), endpoint("db-10")
    both = (await state(endpoint_slice(first, second))).endpoints
    assert both == (await state(endpoint_slice(second), endpoint_slice(first))).endpoints
    assert both != (await state(endpoint_slice(first))).endpoints


async def test_newest_pod_decides_since_when_the_service_is_ready() -> None:
    slices = endpoint_slice(endpoint("db-0"), endpoint("db-10"))
    complete = await state(slices, pods=[pod("db-0", 3), pod("db-10", 9)])
    assert complete.ready_at == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
    assert (await state(slices, pods=[pod("db-0", 3)])).ready_at is None


async def test_addresses_are_those_that_accept_tcp() -> None:
    ports = [{"port": 5432}, {"port": 53, "protocol": "UDP"}]
    assert (await state(clusterIP="10.96.0.7", ports=ports)).addresses == (("10.96.0.7", 5432),)
    assert (await state(clusterIP="None")).addresses == ()


def scaled(manifest: Object, replicas: int) -> Object:
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], []),
        ([service("db")], []),
        ([stateful_set(), service("db")], ["db"]),
        ([deployment(), service()], ["shop"]),
        ([scaled(deployment(), 0), service()], []),
        ([deployment(), service(selector=None)], []),
        ([deployment(), service(selector={"role": "primary"})], []),
        ([deployment(), stateful_set(), service("db"), service()], ["db", "shop"]),
    ],
)
async def test_only_services_that_select_pods_are_read(objects: list[Manifest], expected: list[str]) -> None:
    services = await reader().services("ns", objects)
    assert [service.name for service in services] == expected


async def test_answer_needs_a_connection_from_within_the_cluster() -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        open_service = ServiceState("db", "x", None, (("127.0.0.1", port),))
        assert await reader(in_cluster=True).answers(open_service)
        assert not await reader(in_cluster=False).answers(open_service)
        headless = ServiceState("db", "x", None)
        assert not await reader(in_cluster=True).answers(headless)
    assert not await reader(in_cluster=True).answers(open_service)
