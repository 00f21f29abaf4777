"""ReplicaSets: as many pods of one template as were requested."""

from collections.abc import Sequence
from datetime import datetime

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import POD, REPLICA_SET
from bot.embedded.controllers import objects
from bot.embedded.informer import Key
from bot.embedded.recorder import Recorder


class ReplicaSets:
    """Creates and deletes the pods of ReplicaSets, and counts them."""

    def __init__(self, client: KubernetesApi, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Bring one ReplicaSet to its number of pods."""
        namespace, name = key
        replica_set = await self._client.find(REPLICA_SET, name, namespace)
        if replica_set is None:
            return None
        labels = objects.selector_text(replica_set["spec"]["selector"])
        listed = (await self._client.list(POD, namespace, labels=labels)).items
        pods = objects.controlled_by(listed, replica_set)
        failure: Refused | None = None
        if not objects.is_terminating(replica_set):
            try:
                pods = await self._scale(replica_set, pods)
            except Refused as error:
                failure = error
        now = objects.utc_now()
        await self._write_status(replica_set, status(replica_set, pods, failure, now))
        if failure:
            raise failure
        return objects.next_availability(replica_set, pods, now)

    async def _scale(self, replica_set: Object, pods: Sequence[Object]) -> list[Object]:
        active = [pod for pod in pods if objects.is_active(pod)]
        missing = replica_set["spec"].get("replicas", 1) - len(active)
        created = [await self._create(replica_set) for _ in range(missing)]
        surplus = sorted(active, key=worth)[: max(0, -missing)]
        for pod in surplus:
            await self._client.delete(POD, pod["metadata"]["name"], pod["metadata"]["namespace"])
            self._recorder.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        gone = {pod["metadata"]["uid"] for pod in surplus}
        return [pod for pod in pods if pod["metadata"]["uid"] not in gone] + created

    async def _create(self, replica_set: Object) -> Object:
        name = {"generateName": f"{replica_set['metadata']['name']}-"}
        pod = objects.pod_from_template(replica_set["spec"]["template"], replica_set, name)
        try:
            created = await self._client.create(POD, pod)
        except Refused as error:
            self._recorder.warning(replica_set, "FailedCreate", f"Error creating: {error.detail}")
            raise
        self._recorder.normal(replica_set, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def _write_status(self, replica_set: Object, status: Object) -> None:
        if objects.differs(status, replica_set.get("status") or {}):
            await self._client.replace(REPLICA_SET, {**replica_set, "status": status}, subresource="status")


def worth(pod: Object) -> tuple[bool, bool, bool, int]:
    """Sorts pods by how little is lost with them: waiting, not running, not ready, youngest."""
    created = pod["metadata"].get("creationTimestamp")
    age = -int(objects.to_time(created).timestamp()) if created else 0
    assigned = bool(pod["spec"].get("nodeName"))
    return assigned, objects.phase(pod) == "Running", objects.is_ready(pod), age


def status(replica_set: Object, pods: Sequence[Object], failure: Refused | None, now: datetime) -> Object:
    """The ReplicaSet's status for these pods. `failure` is why a pod could not be created."""
    active = [pod for pod in pods if objects.is_active(pod)]
    minimum = replica_set["spec"].get("minReadySeconds", 0)
    template_labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
    available = [pod for pod in active if objects.seconds_until_available(pod, minimum, now) == 0]
    labelled = [
        pod for pod in active if template_labels.items() <= (pod["metadata"].get("labels") or {}).items()
    ]
    counts = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": sum(objects.is_ready(pod) for pod in active),
        "availableReplicas": len(available),
    }
    conditions = (replica_set.get("status") or {}).get("conditions") or []
    conditions = [condition for condition in conditions if condition["type"] != "ReplicaFailure" or failure]
    if failure:
        fields = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
        conditions = objects.with_condition(conditions, {**fields, "message": failure.detail}, now)
    return {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": sum(objects.is_terminating(pod) for pod in pods),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
        **({"conditions": conditions} if conditions else {}),
    }
