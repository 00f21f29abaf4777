"""Workloads on the embedded API server, told from the outside."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.embedded.client import Object
from bot.embedded.client.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SERVICES,
    STATEFUL_SETS,
)
from bot.embedded.controllers.objects import find_condition, is_ready

from .conftest import Cluster

LABELS = {"app": "shop"}


def template(image: str = "shop:1", **spec: Any) -> Object:
    container = {"name": "shop", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [container], **spec}}


def workload(kind: str, name: str = "shop", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template(), **spec},
    }


def job(**spec: Any) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed"},
        "spec": {"template": template(restartPolicy="Never"), **spec},
    }


def condition(item: Object, kind: str) -> tuple[str, str]:
    found = find_condition(item, kind) or {}
    return found.get("status", ""), found.get("reason", "")


async def progress(cluster: Cluster) -> tuple[str, str]:
    return condition(await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace), "Progressing")


async def rolled_out(cluster: Cluster, image: str = "shop:1") -> bool:
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    observed = deployment.get("status", {}).get("observedGeneration")
    done = condition(deployment, "Progressing") == ("True", "NewReplicaSetAvailable")
    images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
    return done and observed == deployment["metadata"]["generation"] and images == {image}


async def change_image(cluster: Cluster, image: str) -> None:
    container = {"name": "shop", "image": image}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await cluster.client.patch(DEPLOYMENTS, "shop", change, cluster.namespace, style="strategic")


async def test_a_deployment_becomes_available_and_rolls_to_the_next_image(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=3), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    status = deployment["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert condition(deployment, "Available") == ("True", "MinimumReplicasAvailable")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"

    await change_image(cluster, "shop:2")
    await cluster.until(lambda: rolled_out(cluster, "shop:2"))
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    sets = (await cluster.client.list(REPLICA_SETS, cluster.namespace)).items
    assert sorted(item["spec"]["replicas"] for item in sets) == [0, 3]

    await change_image(cluster, "shop:1")
    await cluster.until(lambda: rolled_out(cluster, "shop:1"))
    assert len((await cluster.client.list(REPLICA_SETS, cluster.namespace)).items) == 2
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_a_quiet_cluster_is_left_alone(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=2), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await asyncio.sleep(0.3)
    if cluster.server:
        before = len(cluster.server.calls)
        await asyncio.sleep(0.3)
        assert len(cluster.server.calls) == before


async def test_a_rollout_that_never_gets_ready_keeps_the_old_pods_and_says_so(cluster: Cluster) -> None:
    body = workload("Deployment", replicas=2, progressDeadlineSeconds=1)
    await cluster.client.create(DEPLOYMENTS, body, cluster.namespace)
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
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=1), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await cluster.client.patch(
        DEPLOYMENTS, "shop", {"spec": {"paused": True, "replicas": 3}}, cluster.namespace
    )

    async def three() -> bool:
        return len([pod for pod in await cluster.pods() if is_ready(pod)]) == 3

    await cluster.until(three)
    assert await progress(cluster) == ("Unknown", "DeploymentPaused")
    await change_image(cluster, "shop:2")
    await cluster.client.patch(DEPLOYMENTS, "shop", {"spec": {"paused": False}}, cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster, "shop:2"))
    await cluster.client.patch(DEPLOYMENTS, "shop", {"spec": {"replicas": 0}}, cluster.namespace)

    async def none() -> bool:
        return not await cluster.pods()

    await cluster.until(none)


async def test_recreate_never_runs_two_templates_at_once(cluster: Cluster) -> None:
    body = workload("Deployment", replicas=2, strategy={"type": "Recreate"})
    await cluster.client.create(DEPLOYMENTS, body, cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    await change_image(cluster, "shop:2")

    async def done() -> bool:
        images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
        assert len(images) < 2
        return await rolled_out(cluster, "shop:2")

    await cluster.until(done)


async def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=1), cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    first = (await cluster.pods())[0]["metadata"]["name"]
    await cluster.client.delete(PODS, first, cluster.namespace)

    async def replaced() -> bool:
        return [is_ready(pod) and pod["metadata"]["name"] != first for pod in await cluster.pods()] == [True]

    await cluster.until(replaced)


async def test_a_quota_is_told_in_the_condition_and_an_event(cluster: Cluster) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    await cluster.client.create(RESOURCE_QUOTAS, quota, cluster.namespace)
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=2), cluster.namespace)

    async def refused() -> bool:
        deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
        return condition(deployment, "ReplicaFailure") == ("True", "FailedCreate")

    await cluster.until(refused)
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    assert "exceeded quota: small" in (find_condition(deployment, "ReplicaFailure") or {})["message"]

    async def told() -> bool:
        events = (await cluster.client.list(EVENTS, cluster.namespace)).items
        return any(event["reason"] == "FailedCreate" and "quota" in event["message"] for event in events)

    await cluster.until(told)

    await cluster.client.delete(RESOURCE_QUOTAS, "small", cluster.namespace)
    await cluster.until(lambda: rolled_out(cluster))
    deployment = await cluster.client.get(DEPLOYMENTS, "shop", cluster.namespace)
    assert find_condition(deployment, "ReplicaFailure") is None


def stateful(replicas: int = 2, **spec: Any) -> Object:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return workload(
        "StatefulSet", "db", serviceName="db", replicas=replicas, volumeClaimTemplates=[claim], **spec
    )


async def stateful_done(cluster: Cluster, image: str = "shop:1") -> bool:
    item = await cluster.client.get(STATEFUL_SETS, "db", cluster.namespace)
    status, wanted = item.get("status", {}), item["spec"]["replicas"]
    images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
    counts = [status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "availableReplicas")]
    settled = status.get("currentRevision") == status.get("updateRevision")
    observed = status.get("observedGeneration") == item["metadata"]["generation"]
    return settled and observed and counts == [wanted] * 3 and images == {image}


async def test_a_stateful_set_starts_in_order_and_keeps_its_volumes(cluster: Cluster) -> None:
    await cluster.client.create(STATEFUL_SETS, stateful(3), cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    assert cluster.kubelet.started == ["db-0", "db-1", "db-2"]
    pod = await cluster.client.get(PODS, "db-1", cluster.namespace)
    assert pod["spec"]["hostname"] == "db-1"
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}} in pod["spec"]["volumes"]

    await cluster.client.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}}, cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    assert [pod["metadata"]["name"] for pod in await cluster.pods()] == ["db-0"]
    claims = (await cluster.client.list(PERSISTENT_VOLUME_CLAIMS, cluster.namespace)).items
    assert sorted(claim["metadata"]["name"] for claim in claims) == ["data-db-0", "data-db-1", "data-db-2"]


async def test_a_stateful_set_is_updated_from_the_last_pod_down(cluster: Cluster) -> None:
    await cluster.client.create(STATEFUL_SETS, stateful(2), cluster.namespace)
    await cluster.until(lambda: stateful_done(cluster))
    cluster.kubelet.started.clear()
    container = {"name": "shop", "image": "shop:2"}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await cluster.client.patch(STATEFUL_SETS, "db", change, cluster.namespace, style="strategic")
    await cluster.until(lambda: stateful_done(cluster, "shop:2"))
    assert cluster.kubelet.started == ["db-1", "db-0"]


async def test_a_parallel_stateful_set_waits_for_nobody(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Stuck"
    await cluster.client.create(STATEFUL_SETS, stateful(3, podManagementPolicy="Parallel"), cluster.namespace)

    async def three() -> bool:
        return len(await cluster.pods()) == 3

    await cluster.until(three)


async def finished(cluster: Cluster, kind: str) -> bool:
    return condition(await cluster.client.get(JOBS, "seed", cluster.namespace), kind)[0] == "True"


async def test_a_job_completes(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOBS, job(completions=3, parallelism=2), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Complete"))
    item = await cluster.client.get(JOBS, "seed", cluster.namespace)
    assert item["status"]["succeeded"] == 3
    assert item["status"]["completionTime"] >= item["status"]["startTime"]
    assert condition(item, "Complete") == ("True", "CompletionsReached")
    assert condition(item, "SuccessCriteriaMet") == ("True", "CompletionsReached")
    assert len(await cluster.pods()) == 3


async def test_a_job_past_its_backoff_limit_has_failed(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Failed"
    await cluster.client.create(JOBS, job(backoffLimit=0), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Failed"))
    item = await cluster.client.get(JOBS, "seed", cluster.namespace)
    assert condition(item, "Failed") == ("True", "BackoffLimitExceeded")
    assert item["status"]["failed"] == 1
    assert "completionTime" not in item["status"]
    assert len(await cluster.pods()) == 1


async def test_a_job_past_its_deadline_is_stopped(cluster: Cluster) -> None:
    await cluster.client.create(JOBS, job(activeDeadlineSeconds=1), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Failed"))
    item = await cluster.client.get(JOBS, "seed", cluster.namespace)
    assert condition(item, "Failed") == ("True", "DeadlineExceeded")
    assert not await cluster.pods()


async def test_a_finished_job_leaves_after_its_time(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOBS, job(ttlSecondsAfterFinished=0), cluster.namespace)

    async def gone() -> bool:
        return await cluster.client.find(JOBS, "seed", cluster.namespace) is None and not await cluster.pods()

    await cluster.until(gone)


async def test_a_suspended_job_runs_when_it_is_resumed(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOBS, job(suspend=True), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Suspended"))
    assert not await cluster.pods()
    await cluster.client.patch(JOBS, "seed", {"spec": {"suspend": False}}, cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Complete"))


async def endpoints(cluster: Cluster) -> list[Object]:
    found = (await cluster.client.list(ENDPOINT_SLICES, cluster.namespace)).items
    return [endpoint for item in found for endpoint in item.get("endpoints") or []]


async def test_slices_follow_the_pods(cluster: Cluster) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"selector": LABELS, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]},
    }
    await cluster.client.create(SERVICES, service, cluster.namespace)
    await cluster.client.create(DEPLOYMENTS, workload("Deployment", replicas=2), cluster.namespace)

    async def two_ready() -> bool:
        return [item["conditions"]["ready"] for item in await endpoints(cluster)] == [True, True]

    await cluster.until(two_ready)
    found = (
        await cluster.client.list(
            ENDPOINT_SLICES, cluster.namespace, labels="kubernetes.io/service-name=shop"
        )
    ).items
    assert [item["ports"] for item in found if item["endpoints"]] == [
        [{"name": "web", "port": 8080, "protocol": "TCP"}]
    ]
    pod = (await cluster.pods())[0]
    shown = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    await cluster.client.patch_status(
        PODS, pod["metadata"]["name"], {"conditions": [shown]}, cluster.namespace
    )

    async def one_ready() -> bool:
        return sorted(item["conditions"]["serving"] for item in await endpoints(cluster)) == [False, True]

    await cluster.until(one_ready)
    for item in found:
        await cluster.client.delete(ENDPOINT_SLICES, item["metadata"]["name"], cluster.namespace)
    await cluster.until(one_ready)
    await cluster.client.delete(SERVICES, "shop", cluster.namespace)

    async def no_slices() -> bool:
        return not (await cluster.client.list(ENDPOINT_SLICES, cluster.namespace)).items

    await cluster.until(no_slices)
