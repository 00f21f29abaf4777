"""Binds pods to this node, which is the only one. It reports why a pod cannot be placed."""

from collections.abc import Iterable

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Conflict, Refused
from bot.cluster.client.kinds import POD
from bot.embedded.informer import Change, Informer, Key, key_of
from bot.embedded.node.status import now
from bot.embedded.reconciler import Reconciler
from bot.embedded.recorder import Recorder

SCHEDULER = "default-scheduler"


class Scheduler:
    """Wakes for pods without a node, and again when claims change."""

    def __init__(
        self, client: KubernetesApi, pods: Informer, claims: Informer, recorder: Recorder, node: Object
    ) -> None:
        self._client = client
        self._pods = pods
        self._claims = claims
        self._recorder = recorder
        self._node_name = str(node["metadata"]["name"])
        self._labels: dict[str, str] = node["metadata"]["labels"]
        self._work: Reconciler[Key] = Reconciler("scheduler", self._schedule)
        pods.listen(self._pod_changed)
        claims.listen(self._claim_changed)

    async def run(self) -> None:
        await self._work.run()

    def _pod_changed(self, change: Change) -> None:
        if change.type != "DELETED" and _waits(change.object):
            self._work.add(change.key)

    def _claim_changed(self, change: Change) -> None:
        for pod in self._pods.list(change.key[0]):
            if _waits(pod):
                self._work.add(key_of(pod))

    async def _schedule(self, key: Key) -> None:
        namespace, name = key
        pod = self._pods.get(name, namespace)
        if pod is None or not _waits(pod):
            return
        claims = {str(c["metadata"]["name"]): c for c in self._claims.list(namespace)}
        problem = obstacle(pod, self._labels, claims.values())
        if problem:
            await self._report(pod, f"0/1 nodes are available: {problem}.")
            return
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node_name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        binding["metadata"] = {"name": name, "uid": pod["metadata"]["uid"]}
        try:
            await self._client.create(POD, binding, namespace, subresource="binding")
        except Conflict:
            return  # bound meanwhile
        except Refused as error:
            if error.not_found:
                return  # deleted meanwhile
            raise
        assigned = f"Successfully assigned {namespace}/{name} to {self._node_name}"
        self._recorder.normal(pod, "Scheduled", assigned)

    async def _report(self, pod: Object, message: str) -> None:
        metadata = pod["metadata"]
        conditions = (pod.get("status") or {}).get("conditions") or []
        if any(c["type"] == "PodScheduled" and c.get("message") == message for c in conditions):
            return
        self._recorder.warning(pod, "FailedScheduling", message)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": now(),
        }
        others = [c for c in conditions if c["type"] != "PodScheduled"]
        status = {"conditions": [*others, condition]}
        await self._client.patch_status(POD, metadata["name"], status, metadata["namespace"])


def obstacle(pod: Object, labels: dict[str, str], claims: Iterable[Object]) -> str:
    """The reason why the pod cannot run on a node with these labels, or an empty text."""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return "1 node(s) didn't match Pod's node affinity/selector"
    fields = {claim["metadata"]["name"]: claim for claim in claims}
    for volume in pod["spec"].get("volumes") or []:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name and name not in fields:
            return f'persistentvolumeclaim "{name}" not found'
        if name and (fields[name].get("status") or {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return ""


def _waits(pod: Object) -> bool:
    spec, metadata = pod["spec"], pod["metadata"]
    ours = spec.get("schedulerName", SCHEDULER) == SCHEDULER
    return ours and not (
        spec.get("nodeName") or spec.get("schedulingGates") or metadata.get("deletionTimestamp")
    )
