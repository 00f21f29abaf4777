"""Deployments: tests through the API."""

from __future__ import annotations

import asyncio

from bot.cluster.client.kinds import DEPLOYMENT, EVENT, POD, REPLICA_SET, RESOURCE_QUOTA
from bot.embedded.controllers.objects import find_condition, is_ready

from .bodies import condition, workload
from .conftest import Cluster


async def progress(cluster: Cluster) -> tuple[str, str]:
    return condition(await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace), "Progressing")


async def rolled_out(cluster: Cluster, image: str = "shop:1") -> bool:
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    observed = deployment.get("status", {}).get("observedGeneration")
    done = condition(deployment, "Progressing") == ("True", "NewReplicaSetAvailable")
    images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
    return done and observed == deployment["metadata"]["generation"] and images == {image}


async def change_image(cluster: Cluster, image: str) -> None:
    container = {"name": "shop", "image": image}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await cluster.client.patch(DEPLOYMENT, "shop", change, cluster.namespace, style="strategic-merge-patch")


async def test_deployment_becomes_available_and_rolls_out(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=3), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    status = deployment["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert condition(deployment, "Available") == ("True", "MinimumReplicasAvailable")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"

    await change_image(cluster, "shop:2")
    await cluster.until(lambda: rolled_out(cluster, "shop:2"))
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    sets = (await cluster.client.list(REPLICA_SET, cluster.namespace)).items
    assert sorted(item["spec"]["replicas"] for item in sets) == [0, 3]

    await change_image(cluster, "shop:1")
    await cluster.until(lambda: rolled_out(cluster, "shop:1"))
    assert len((await cluster.client.list(REPLICA_SET, cluster.namespace)).items) == 2
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_unchanged_cluster_gets_no_writes(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=2), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await asyncio.sleep(0.3)
    if cluster.server:
        before = len(cluster.server.calls)
        await asyncio.sleep(0.3)
        assert len(cluster.server.calls) == before


async def test_stuck_rollout_keeps_the_old_pods(cluster: Cluster) -> None:
    body = workload("Deployment", replicas=2, progressDeadlineSeconds=1)
    await cluster.client.create(DEPLOYMENT, body, cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    cluster.kubelet.fate = lambda pod: (
        "Running" if pod["spec"]["containers"][0]["image"] == "shop:1" else "Stuck"
    )
    await change_image(cluster, "shop:2")

    async def late() -> bool:
        return await progress(cluster) == ("False", "ProgressDeadlineExceeded")

    await cluster.until(late)
    ready = [pod for pod in await cluster.pods() if is_ready(pod)]
    assert [pod["spec"]["containers"][0]["image"] for pod in ready] == ["shop:1", "shop:1"]

    cluster.kubelet.fate = lambda pod: "Running"
    await change_image(cluster, "shop:3")
    await cluster.until(lambda: rolled_out(cluster, "shop:3"))


async def test_scaling_and_pausing(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=1), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await cluster.client.patch(
        DEPLOYMENT, "shop", {"spec": {"paused": True, "replicas": 3}}, cluster.namespace
    )

    async def three() -> bool:
        return len([pod for pod in await cluster.pods() if is_ready(pod)]) == 3

    await cluster.until(three)
    assert await progress(cluster) == ("Unknown", "DeploymentPaused")
    await change_image(cluster, "shop:2")
    await cluster.client.patch(DEPLOYMENT, "shop", {"spec": {"paused": False}}, cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster, "shop:2"))
    await cluster.client.patch(DEPLOYMENT, "shop", {"spec": {"replicas": 0}}, cluster.namespace)

    async def none() -> bool:
        return not await cluster.pods()

    await cluster.until(none)


async def test_recreate_runs_one_template_at_a_time(cluster: Cluster) -> None:
    body = workload("Deployment", replicas=2, strategy={"type": "Recreate"})
    await cluster.client.create(DEPLOYMENT, body, cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await change_image(cluster, "shop:2")

    async def done() -> bool:
        images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
        assert len(images) < 2
        return await rolled_out(cluster, "shop:2")

    await cluster.until(done)


async def test_deleted_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=1), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    first = (await cluster.pods())[0]["metadata"]["name"]
    await cluster.client.delete(POD, first, cluster.namespace)

    async def replaced() -> bool:
        return [is_ready(pod) and pod["metadata"]["name"] != first for pod in await cluster.pods()] == [True]

    await cluster.until(replaced)


async def test_quota_failure_is_reported(cluster: Cluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    await cluster.client.create(RESOURCE_QUOTA, quota, cluster.namespace)
    await cluster.client.create(DEPLOYMENT, workload("Deployment", replicas=2), cluster.namespace)

    async def refused() -> bool:
        deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
        return condition(deployment, "ReplicaFailure") == ("True", "FailedCreate")

    await cluster.until(refused)
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    assert "exceeded quota: small" in (find_condition(deployment, "ReplicaFailure") or {})["message"]

    async def event_recorded() -> bool:
        events = (await cluster.client.list(EVENT, cluster.namespace)).items
        return any(event["reason"] == "FailedCreate" and "quota" in event["message"] for event in events)

    await cluster.until(event_recorded)

    await cluster.client.delete(RESOURCE_QUOTA, "small", cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    deployment = await cluster.client.get(DEPLOYMENT, "shop", cluster.namespace)
    assert find_condition(deployment, "ReplicaFailure") is None
