"""EndpointSlices: tests through the API."""

from __future__ import annotations

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE

from .bodies import LABELS, workload
from .conftest import Cluster


async def endpoints(cluster: Cluster) -> list[Object]:
    value = (await cluster.client.list(ENDPOINT_SLICE, cluster.namespace)).items
    return [endpoint for item in value for endpoint in item.get("endpoints") or []]


async def test_slices_follow_the_pods(cluster: Cluster) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"selector": LABELS, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]},
    }
    await cluster.client.create(SERVICE, service, cluster.namespace)
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=2), cluster.namespace)

    async def two_ready() -> bool:
        return [item["conditions"]["ready"] for item in await endpoints(cluster)] == [True, True]

    await cluster.until(two_ready)
    value = (
        await cluster.client.list(ENDPOINT_SLICE, cluster.namespace, labels="kubernetes.io/service-name=shop")
    ).items
    assert [item["ports"] for item in value if item.get("endpoints")] == [
        [{"name": "web", "port": 8080, "protocol": "TCP"}]
    ]
    pod = (await cluster.pods())[0]
    shown = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    await cluster.client.patch_status(
        POD, pod["metadata"]["name"], {"conditions": [shown]}, cluster.namespace
    )

    async def one_ready() -> bool:
        return sorted(item["conditions"]["serving"] for item in await endpoints(cluster)) == [False, True]

    await cluster.until(one_ready)
    for item in value:
        await cluster.client.delete(ENDPOINT_SLICE, item["metadata"]["name"], cluster.namespace)
    await cluster.until(one_ready)
    await cluster.client.delete(SERVICE, "shop", cluster.namespace)

    async def no_slices() -> bool:
        return not (await cluster.client.list(ENDPOINT_SLICE, cluster.namespace)).items

    await cluster.until(no_slices)
