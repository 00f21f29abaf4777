"""Jobs: pods that run to completion, within their limits."""

from collections.abc import Sequence
from datetime import datetime

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import JOB, POD
from bot.embedded.controllers import job_plan, objects
from bot.embedded.controllers.job_plan import Counts
from bot.embedded.delays import Delays
from bot.embedded.informer import Key
from bot.embedded.recorder import Recorder

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"


class Jobs:
    """Creates and counts the pods of Jobs; deletes finished Jobs whose time is over."""

    def __init__(self, client: KubernetesApi, recorder: Recorder, delays: Delays | None = None) -> None:
        self._delays = delays or Delays()
        self._client = client
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Move one Job a step on."""
        namespace, name = key
        job = await self._client.find(JOB, name, namespace)
        if job is None or objects.is_terminating(job):
            return None
        now = objects.utc_now()
        if job_plan.is_finished(job):
            return await self._expire(job, now)
        pods = await self._pods(job)
        counts = Counts.of(job, pods)
        failed = job_plan.failure(job, counts, now)
        if failed or job_plan.is_successful(job, counts):
            await self._stop(counts.active)
            counts = Counts.of(job, await self._pods(job))
        job = await self._write_status(job, job_plan.status(job, counts, failed, now))
        if failed or job_plan.is_successful(job, counts):
            return await self._expire(job, now)
        return await self._scale(job, pods, counts, now)

    async def _pods(self, job: Object) -> list[Object]:
        labels = f"{UID_LABEL}={job['metadata']['uid']}"
        listed = (await self._client.list(POD, job["metadata"]["namespace"], labels=labels)).items
        return objects.controlled_by(listed, job)

    async def _stop(self, pods: Sequence[Object]) -> None:
        for pod in pods:
            await self._client.delete(POD, pod["metadata"]["name"], pod["metadata"]["namespace"])

    async def _write_status(self, job: Object, new: Object) -> Object:
        if not objects.differs(new, job.get("status") or {}):
            return job
        written = await self._client.replace(JOB, {**job, "status": new}, subresource="status")
        if job_plan.is_finished(written):
            failed = objects.find_condition(written, "Failed")
            if failed:
                self._recorder.warning(written, failed["reason"], failed["message"])
            else:
                self._recorder.normal(written, "Completed", "Job completed")
        return written

    async def _scale(
        self, job: Object, pods: Sequence[Object], counts: Counts, now: datetime
    ) -> float | None:
        """Make or remove pods; returns the seconds until something is due by time alone."""
        requested = job_plan.target_active(job, counts)
        await self._stop(counts.active[requested:])
        missing = requested - len(counts.active)
        deadline = job_plan.seconds_to_deadline(job, now)
        if missing <= 0:
            return deadline
        pause = job_plan.seconds_to_retry(pods, now, self._delays.job_backoff)
        if pause:
            return pause if deadline is None else min(pause, deadline)
        for _ in range(missing):
            await self._create(job)
        return deadline

    async def _create(self, job: Object) -> None:
        name = job["metadata"]["name"]
        pod = objects.pod_from_template(job["spec"]["template"], job, {"generateName": f"{name}-"})
        uid = job["metadata"]["uid"]
        pod["metadata"]["labels"] |= {
            UID_LABEL: uid,
            NAME_LABEL: name,
            "controller-uid": uid,
            "job-name": name,
        }
        try:
            created = await self._client.create(POD, pod)
        except Refused as error:
            self._recorder.warning(job, "FailedCreate", f"Error creating: {error.detail}")
            raise
        self._recorder.normal(job, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    async def _expire(self, job: Object, now: datetime) -> float | None:
        left = job_plan.seconds_to_live(job, now) if job_plan.is_finished(job) else None
        if left is not None and left <= 0:
            metadata = job["metadata"]
            uid = {"uid": metadata["uid"]}
            await self._client.delete(JOB, metadata["name"], metadata["namespace"], preconditions=uid)
            return None
        return left
