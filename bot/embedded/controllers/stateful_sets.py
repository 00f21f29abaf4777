"""StatefulSets: pods with stable names and volumes, created, updated and deleted in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET
from bot.embedded.controllers import objects
from bot.embedded.informer import Key
from bot.embedded.recorder import Recorder

REVISION_LABEL = "controller-revision-hash"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordinals of pods to make and to remove now."""

    create: Sequence[int] = ()
    delete: Sequence[int] = ()


def next_actions(stateful_set: Object, pods: Mapping[int, Object], now: datetime) -> Plan:
    """The next actions for the pods by ordinal.

    In order means: the lowest missing one is made, and nothing else happens until all below are available.
    """
    spec = stateful_set["spec"]
    in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    first = (spec.get("ordinals") or {}).get("start", 0)
    ordinals = range(first, first + spec.get("replicas", 1))
    finished = [number for number, pod in pods.items() if objects.is_finished(pod) and not _leaves(pod)]
    if finished:  # makes place for another one of the same name
        return Plan(delete=sorted(finished))
    missing = [number for number in ordinals if number not in pods]
    condemned = sorted((number for number in pods if number not in ordinals), reverse=True)
    if not in_order:
        removable = [number for number in condemned if not _leaves(pods[number])]
        if missing or removable:
            return Plan(create=missing, delete=removable)
        return _update(stateful_set, pods, ordinals, now)
    for number in ordinals:
        if number not in pods:
            return Plan(create=[number])
        if not is_available(stateful_set, pods[number], now):
            return Plan()
    if condemned:
        busy = any(_leaves(pods[number]) for number in condemned)
        return Plan() if busy else Plan(delete=condemned[:1])
    return _update(stateful_set, pods, ordinals, now)


def _update(stateful_set: Object, pods: Mapping[int, Object], ordinals: range, now: datetime) -> Plan:
    """Replace the highest pod of an older revision; then wait for the new one."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Plan()
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    revision = revision_of(stateful_set)
    for number in reversed(ordinals):
        if number < partition:
            break
        pod = pods[number]
        if _leaves(pod):
            return Plan()
        if (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) != revision:
            return Plan(delete=[number])
        if not is_available(stateful_set, pod, now):
            return Plan()
    return Plan()


def _leaves(pod: Object) -> bool:
    return objects.is_terminating(pod)


def is_available(stateful_set: Object, pod: Object, now: datetime) -> bool:
    """Whether a pod runs, is not leaving, and has been ready for long enough."""
    minimum = stateful_set["spec"].get("minReadySeconds", 0)
    return objects.is_active(pod) and objects.seconds_until_available(pod, minimum, now) == 0


def revision_of(stateful_set: Object) -> str:
    """The name of the current template's revision."""
    return f"{stateful_set['metadata']['name']}-{objects.content_hash(stateful_set['spec']['template'])}"


def ordinal(pod: Object) -> int:
    """The number at the end of the pod's name."""
    return int(pod["metadata"]["name"].rpartition("-")[2])


def claims(stateful_set: Object, number: int) -> list[Object]:
    """The volume claims of one pod. They stay when the pod goes."""
    namespace = stateful_set["metadata"]["namespace"]
    selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                **template["metadata"],
                "name": _claim_name(stateful_set, template, number),
                "namespace": namespace,
                "labels": {**(template["metadata"].get("labels") or {}), **selected},
            },
            "spec": template["spec"],
        }
        for template in stateful_set["spec"].get("volumeClaimTemplates") or []
    ]


def _claim_name(stateful_set: Object, template: Object, number: int) -> str:
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{number}"


def stateful_pod(stateful_set: Object, number: int) -> Object:
    """The pod of an ordinal: stable name, its own volumes."""
    name = f"{stateful_set['metadata']['name']}-{number}"
    pod = objects.pod_from_template(
        stateful_set["spec"]["template"],
        stateful_set,
        {"name": name, "generateName": f"{stateful_set['metadata']['name']}-"},
    )
    pod["metadata"]["labels"] |= {
        REVISION_LABEL: revision_of(stateful_set),
        INDEX_LABEL: str(number),
        NAME_LABEL: name,
    }
    templates = stateful_set["spec"].get("volumeClaimTemplates") or []
    own = {
        template["metadata"]["name"]: {
            "name": template["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": _claim_name(stateful_set, template, number)},
        }
        for template in templates
    }
    others = [volume for volume in pod["spec"].get("volumes") or [] if volume["name"] not in own]
    pod["spec"] |= {
        "hostname": name,
        "subdomain": stateful_set["spec"].get("serviceName", ""),
        "volumes": [*own.values(), *others],
    }
    return pod


def status(stateful_set: Object, pods: Sequence[Object], now: datetime) -> Object:
    """The StatefulSet's status for these pods."""
    before, revision = stateful_set.get("status") or {}, revision_of(stateful_set)
    current = before.get("currentRevision") or revision
    active = [pod for pod in pods if objects.is_active(pod)]
    labels = [(pod["metadata"].get("labels") or {}).get(REVISION_LABEL) for pod in active]
    updated = labels.count(revision)
    ready = sum(objects.is_ready(pod) for pod in active)
    if updated == len(active) == ready == stateful_set["spec"].get("replicas", 1):
        current = revision  # the update is complete
    return {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "replicas": len(active),
        "readyReplicas": ready,
        "availableReplicas": sum(is_available(stateful_set, pod, now) for pod in active),
        "currentReplicas": labels.count(current),
        "updatedReplicas": updated,
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    }


class StatefulSets:
    """Keeps the pods and claims of StatefulSets."""

    def __init__(self, client: KubernetesApi, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Move one StatefulSet a step towards its template."""
        namespace, name = key
        stateful_set = await self._client.find(STATEFUL_SET, name, namespace)
        if stateful_set is None:
            return None
        labels = objects.selector_text(stateful_set["spec"]["selector"])
        listed = (await self._client.list(POD, namespace, labels=labels)).items
        pods = objects.controlled_by(listed, stateful_set)
        if not objects.is_terminating(stateful_set):
            pods = await self._step(stateful_set, pods)
        now = objects.utc_now()
        new = status(stateful_set, pods, now)
        if objects.differs(new, stateful_set.get("status") or {}):
            await self._client.replace(STATEFUL_SET, {**stateful_set, "status": new}, subresource="status")
        return objects.next_availability(stateful_set, pods, now)

    async def _step(self, stateful_set: Object, pods: Sequence[Object]) -> list[Object]:
        """Do what may be done now; in order, that is one pod at a time."""
        by_ordinal = {ordinal(pod): pod for pod in pods}
        plan = next_actions(stateful_set, by_ordinal, objects.utc_now())
        for number in plan.create:
            by_ordinal[number] = await self._create(stateful_set, number)
        for number in plan.delete:
            pod = by_ordinal.pop(number)
            await self._client.delete(
                POD,
                pod["metadata"]["name"],
                pod["metadata"]["namespace"],
                preconditions={"uid": pod["metadata"]["uid"]},
            )
            self._record(stateful_set, "SuccessfulDelete", f"Delete Pod {pod['metadata']['name']}")
        return [by_ordinal[number] for number in sorted(by_ordinal)]

    async def _create(self, stateful_set: Object, number: int) -> Object:
        name = f"{stateful_set['metadata']['name']}-{number}"
        try:
            for claim in claims(stateful_set, number):
                await self._claim(stateful_set, claim, name)
            created = await self._client.create(POD, stateful_pod(stateful_set, number))
        except Refused as error:
            owner = stateful_set["metadata"]["name"]
            message = f"create Pod {name} in StatefulSet {owner} failed error: {error.detail}"
            self._recorder.warning(stateful_set, "FailedCreate", message)
            raise
        self._record(stateful_set, "SuccessfulCreate", f"Create Pod {name}")
        return created

    def _record(self, stateful_set: Object, reason: str, action: str) -> None:
        message = f"{action} in StatefulSet {stateful_set['metadata']['name']} successful"
        self._recorder.normal(stateful_set, reason, message)

    async def _claim(self, stateful_set: Object, claim: Object, pod: str) -> None:
        metadata = claim["metadata"]
        if not await self._client.find(PERSISTENT_VOLUME_CLAIM, metadata["name"], metadata["namespace"]):
            await self._client.create(PERSISTENT_VOLUME_CLAIM, claim)
            action = (
                f"Create Claim {metadata['name']} Pod {pod} in StatefulSet {stateful_set['metadata']['name']}"
            )
            self._recorder.normal(stateful_set, "SuccessfulCreate", f"{action} success")
