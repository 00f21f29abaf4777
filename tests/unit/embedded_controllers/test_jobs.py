"""Jobs: tests through the API."""

from __future__ import annotations

from bot.cluster.client.kinds import JOB, POD

from .bodies import condition, job
from .conftest import Cluster


async def finished(cluster: Cluster, kind: str) -> bool:
    return condition(await cluster.client.get(JOB, "seed", cluster.namespace), kind)[0] == "True"


async def test_job_completes(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOB, job(completions=3, parallelism=2), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Complete"))
    item = await cluster.client.get(JOB, "seed", cluster.namespace)
    assert item["status"]["succeeded"] == 3
    assert item["status"]["completionTime"] >= item["status"]["startTime"]
    assert condition(item, "Complete") == ("True", "CompletionsReached")
    assert condition(item, "SuccessCriteriaMet") == ("True", "CompletionsReached")
    assert len(await cluster.pods()) == 3


async def test_job_fails_past_its_backoff_limit(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Failed"
    await cluster.client.create(JOB, job(backoffLimit=0), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Failed"))
    item = await cluster.client.get(JOB, "seed", cluster.namespace)
    assert condition(item, "Failed") == ("True", "BackoffLimitExceeded")
    assert item["status"]["failed"] == 1
    assert "completionTime" not in item["status"]
    assert len(await cluster.pods()) == 1


async def test_job_stops_past_its_deadline(cluster: Cluster) -> None:
    await cluster.client.create(JOB, job(activeDeadlineSeconds=1), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Failed"))
    item = await cluster.client.get(JOB, "seed", cluster.namespace)
    assert condition(item, "Failed") == ("True", "DeadlineExceeded")
    assert not await cluster.pods()


async def test_finished_job_is_deleted_after_its_ttl(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOB, job(ttlSecondsAfterFinished=0), cluster.namespace)

    async def gone() -> bool:
        return await cluster.client.find(JOB, "seed", cluster.namespace) is None and not await cluster.pods()

    await cluster.until(gone)


async def test_suspended_job_runs_when_resumed(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    await cluster.client.create(JOB, job(suspend=True), cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Suspended"))
    assert not await cluster.pods()
    await cluster.client.patch(JOB, "seed", {"spec": {"suspend": False}}, cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Complete"))


async def test_finalizers_of_the_template_hold_up_its_pods(cluster: Cluster) -> None:
    cluster.kubelet.fate = lambda pod: "Succeeded"
    body = job()
    body["spec"]["template"]["metadata"]["finalizers"] = ["example.com/never"]
    await cluster.client.create(JOB, body, cluster.namespace)
    await cluster.until(lambda: finished(cluster, "Complete"))
    [pod] = await cluster.pods()
    assert pod["metadata"]["finalizers"] == ["example.com/never"]
    await cluster.client.delete(POD, pod["metadata"]["name"], cluster.namespace)
    [held] = await cluster.pods()
    assert held["metadata"]["deletionTimestamp"]
