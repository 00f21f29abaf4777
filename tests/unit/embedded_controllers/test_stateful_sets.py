"""StatefulSets: tests through the API."""

from __future__ import annotations

from typing import Any

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET

from .bodies import workload
from .conftest import Cluster


def stateful(replicas: int = 2, **spec: Any) -> Object:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return workload(
        "StatefulSet", "db", serviceName="db", replicas=replicas, volumeClaimTemplates=[claim], **spec
    )


async def stateful_done(cluster: Cluster, image: str = "shop:1") -> bool:
    item = await cluster.client.get(STATEFUL_SET, "db", cluster.namespace)
    status, requested = item.get("status", {}), item["spec"]["replicas"]
    images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
    counts = [status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "availableReplicas")]
    settled = status.get("currentRevision") == status.get("updateRevision")
    observed = status.get("observedGeneration") == item["metadata"]["generation"]
    return settled and observed and counts == [requested] * 3 and images == {image}


async def test_stateful_set_starts_in_order_with_volumes(cluster: Cluster) -> None:
    await cluster.client.create(STATEFUL_SET, stateful(3), cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    assert cluster.kubelet.started == ["db-0", "db-1", "db-2"]
    pod = await cluster.client.get(POD, "db-1", cluster.namespace)
    assert pod["spec"]["hostname"] == "db-1"
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}} in pod["spec"]["volumes"]

    await cluster.client.patch(STATEFUL_SET, "db", {"spec": {"replicas": 1}}, cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    assert [pod["metadata"]["name"] for pod in await cluster.pods()] == ["db-0"]
    claims = (await cluster.client.list(PERSISTENT_VOLUME_CLAIM, cluster.namespace)).items
    assert sorted(claim["metadata"]["name"] for claim in claims) == ["data-db-0", "data-db-1", "data-db-2"]


async def test_stateful_set_is_updated_from_the_last_pod(cluster: Cluster) -> None:
    await cluster.client.create(STATEFUL_SET, stateful(2), cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    cluster.kubelet.started.clear()
    container = {"name": "shop", "image": "shop:2"}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await cluster.client.patch(STATEFUL_SET, "db", change, cluster.namespace, style="strategic-merge-patch")
    await cluster.until(lambda: stateful_done(cluster, "shop:2"))
    assert cluster.kubelet.started == ["db-1", "db-0"]


async def test_parallel_stateful_set_does_not_wait(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Stuck"
    await cluster.client.create(STATEFUL_SET, stateful(3, podManagementPolicy="Parallel"), cluster.namespace)

    async def three() -> bool:
        return len(await cluster.pods()) == 3

    await cluster.until(three)
