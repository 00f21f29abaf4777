"""Deployments: one ReplicaSet per template, and the way from one to the next."""

import copy
from collections.abc import Sequence

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import DEPLOYMENT, POD, REPLICA_SET
from bot.embedded.controllers import objects
from bot.embedded.controllers.deployment_status import (
    Observed,
    deployment_status,
    is_complete,
    seconds_to_deadline,
)
from bot.embedded.controllers.rollout import Limits, Size, step
from bot.embedded.informer import Key
from bot.embedded.recorder import Recorder

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DEFAULT_HISTORY = 10


class Deployments:
    """Keeps the ReplicaSets of Deployments."""

    def __init__(self, client: KubernetesApi, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Move one Deployment a step towards its template."""
        namespace, name = key
        deployment = await self._client.find(DEPLOYMENT, name, namespace)
        if deployment is None:
            return None
        labels = objects.selector_text(deployment["spec"]["selector"])
        replica_sets = (await self._client.list(REPLICA_SET, namespace, labels=labels)).items
        sets = objects.controlled_by(replica_sets, deployment)
        if objects.is_terminating(deployment):
            observed = _observed(deployment, sets)
        else:
            observed = await self._roll(deployment, sets)
        now = objects.utc_now()
        status = deployment_status(deployment, observed, now)
        if objects.differs(status, deployment.get("status") or {}):
            deployment = await self._client.replace(
                DEPLOYMENT, {**deployment, "status": status}, subresource="status"
            )
        if is_complete(deployment, status):
            await self._clean_up(deployment, observed.old)
        return seconds_to_deadline(deployment, status, now)

    async def _roll(self, deployment: Object, sets: Sequence[Object]) -> Observed:
        observed = _observed(deployment, sets)
        if deployment["spec"].get("paused"):
            await self._scale_paused(deployment, sets)
            return observed
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        if recreate and not await self._emptied(deployment, observed.old):
            return observed
        if observed.new is None:
            observed = await self._create(deployment, observed.old)
        if observed.new is None:
            return observed
        await self._mark_revision(deployment, observed.new, observed.old)
        await self._resize(deployment, observed.new, observed.old)
        return observed

    async def _create(self, deployment: Object, old: Sequence[Object]) -> Observed:
        """The ReplicaSet of the current template, as large as it may be at once."""
        body = _replica_set(deployment)
        name, limits = body["metadata"]["name"], Limits.of(deployment["spec"])
        replicas = step(limits, Size(name, 0, 0), [_size(item) for item in old]).get(name, 0)
        body["spec"]["replicas"] = replicas
        body["metadata"]["annotations"] |= {
            REVISION: str(max((_revision(item) for item in old), default=0) + 1),
            **_size_annotations(limits),
        }
        try:
            created = await self._client.create(REPLICA_SET, body)
        except Refused as error:
            if error.already_exists:  # another template of equal hash: the salt of the next one is another
                await self._salt(deployment)
                raise
            message = f'Failed to create new replica set "{name}": {error.detail}'
            self._recorder.warning(deployment, "ReplicaSetCreateError", message)
            return Observed(None, old, created=False, failure=error.detail)
        if replicas:
            self._record_size(deployment, name, 0, replicas)
        return Observed(created, old, created=True)

    async def _salt(self, deployment: Object) -> None:
        status = deployment.get("status") or {}
        changed = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        await self._client.replace(DEPLOYMENT, {**deployment, "status": changed}, subresource="status")

    async def _mark_revision(self, deployment: Object, new: Object, old: Sequence[Object]) -> None:
        """The new ReplicaSet has the highest revision, which the Deployment shows."""
        highest = max((_revision(item) for item in old), default=0)
        revision = str(max(_revision(new), highest + 1))
        for kind, item in ((REPLICA_SET, new), (DEPLOYMENT, deployment)):
            if (item["metadata"].get("annotations") or {}).get(REVISION) != revision:
                metadata = item["metadata"]
                version = metadata["resourceVersion"]  # else a newer generation would count as observed
                change = {"metadata": {"annotations": {REVISION: revision}, "resourceVersion": version}}
                written = await self._client.patch(kind, metadata["name"], change, metadata["namespace"])
                item["metadata"] = written["metadata"]

    async def _resize(self, deployment: Object, new: Object, old: Sequence[Object]) -> None:
        limits = Limits.of(deployment["spec"])
        sizes = step(limits, _size(new), [_size(item) for item in old])
        by_name = {item["metadata"]["name"]: item for item in [new, *old]}
        for name, replicas in sizes.items():
            await self._resize_one(deployment, by_name[name], replicas)

    async def _resize_one(self, deployment: Object, item: Object, replicas: int) -> None:
        name, before = item["metadata"]["name"], item["spec"].get("replicas", 0)
        annotations = _size_annotations(Limits.of(deployment["spec"]))
        change = {"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}
        written = await self._client.patch(REPLICA_SET, name, change, item["metadata"]["namespace"])
        item.update(written)
        self._record_size(deployment, name, before, replicas)

    def _record_size(self, deployment: Object, name: str, before: int, replicas: int) -> None:
        way = "up" if replicas > before else "down"
        message = f"Scaled {way} replica set {name} from {before} to {replicas}"
        self._recorder.normal(deployment, "ScalingReplicaSet", message)

    async def _scale_paused(self, deployment: Object, sets: Sequence[Object]) -> None:
        """A paused Deployment follows its number of replicas, but moves to no other template."""
        active = [item for item in sets if item["spec"].get("replicas", 0)] or list(sets[-1:])
        requested = deployment["spec"].get("replicas", 1)
        if len(active) == 1 and active[0]["spec"].get("replicas", 0) != requested:
            await self._resize_one(deployment, active[0], requested)

    async def _emptied(self, deployment: Object, old: Sequence[Object]) -> bool:
        """Take all old pods down; true once none of them is left."""
        for item in old:
            if item["spec"].get("replicas", 0):
                await self._resize_one(deployment, item, 0)
        labels = objects.selector_text(deployment["spec"]["selector"])
        pods = (await self._client.list(POD, deployment["metadata"]["namespace"], labels=labels)).items
        owned = [pod for item in old for pod in objects.controlled_by(pods, item)]
        return all(objects.is_finished(pod) for pod in owned)

    async def _clean_up(self, deployment: Object, old: Sequence[Object]) -> None:
        """Forget the oldest revisions beyond the history limit."""
        unused = [
            item
            for item in sorted(old, key=_revision)
            if not item["spec"].get("replicas", 0) and not (item.get("status") or {}).get("replicas", 0)
        ]
        surplus = len(unused) - deployment["spec"].get("revisionHistoryLimit", DEFAULT_HISTORY)
        for item in unused[: max(0, surplus)]:
            await self._client.delete(REPLICA_SET, item["metadata"]["name"], item["metadata"]["namespace"])


def _observed(deployment: Object, sets: Sequence[Object]) -> Observed:
    template = _bare(deployment["spec"]["template"])
    new = next((item for item in sets if _bare(item["spec"]["template"]) == template), None)
    return Observed(new, [item for item in sets if item is not new], created=False)


def _bare(template: Object) -> Object:
    """The template without what is added to it for a ReplicaSet."""
    bare = copy.deepcopy(template)
    metadata = bare.get("metadata") or {}
    (metadata.get("labels") or {}).pop(HASH_LABEL, None)
    bare["metadata"] = {name: value for name, value in metadata.items() if value}
    return bare


def _replica_set(deployment: Object) -> Object:
    metadata, spec = deployment["metadata"], deployment["spec"]
    salt = (deployment.get("status") or {}).get("collisionCount", 0)
    short = objects.content_hash(_bare(spec["template"]), salt)
    template = copy.deepcopy(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = short
    selector = copy.deepcopy(spec["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = short
    passed_on = {
        name: value
        for name, value in (metadata.get("annotations") or {}).items()
        if name not in (REVISION, "kubectl.kubernetes.io/last-applied-configuration")
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{short}",
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": passed_on,
            "ownerReferences": [objects.owner_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
            "selector": selector,
            "template": template,
        },
    }


def _size_annotations(limits: Limits) -> Object:
    return {
        "deployment.kubernetes.io/desired-replicas": str(limits.replicas),
        "deployment.kubernetes.io/max-replicas": str(limits.replicas + limits.surge),
    }


def _size(item: Object) -> Size:
    status = item.get("status") or {}
    return Size(item["metadata"]["name"], item["spec"].get("replicas", 0), status.get("availableReplicas", 0))


def _revision(item: Object) -> int:
    return int((item["metadata"].get("annotations") or {}).get(REVISION) or 0)
