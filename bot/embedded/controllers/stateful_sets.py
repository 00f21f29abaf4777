"""StatefulSets: pods with stable names and volumes, made, updated and removed in order."""

from __future__ import annotations

from collections.abc import Sequence

from bot.embedded.client import ApiError, Client, Key, Object
from bot.embedded.client.resources import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from bot.embedded.controllers import objects
from bot.embedded.controllers.recorder import Recorder
from bot.embedded.controllers.stateful_plan import claims, next_actions, ordinal, stateful_pod, status


class StatefulSets:
    """Keeps the pods and claims of StatefulSets."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, "statefulset-controller")

    async def reconcile(self, key: Key) -> float | None:
        """Move one StatefulSet a step towards its template."""
        namespace, name = key
        wanted = await self._client.find(STATEFUL_SETS, name, namespace)
        if wanted is None:
            return None
        labels = objects.selector_text(wanted["spec"]["selector"])
        found = (await self._client.list(PODS, namespace, labels=labels)).items
        pods = objects.controlled_by(found, wanted)
        if not objects.is_terminating(wanted):
            pods = await self._step(wanted, pods)
        now = objects.utc_now()
        new = status(wanted, pods, now)
        if objects.differs(new, wanted.get("status") or {}):
            await self._client.replace(STATEFUL_SETS, {**wanted, "status": new}, subresource="status")
        return objects.next_availability(wanted, pods, now)

    async def _step(self, wanted: Object, pods: Sequence[Object]) -> list[Object]:
        """Do what may be done now; in order, that is one pod at a time."""
        by_ordinal = {ordinal(pod): pod for pod in pods}
        plan = next_actions(wanted, by_ordinal, objects.utc_now())
        for number in plan.create:
            by_ordinal[number] = await self._create(wanted, number)
        for number in plan.delete:
            pod = by_ordinal.pop(number)
            await self._client.delete(
                PODS, pod["metadata"]["name"], pod["metadata"]["namespace"], uid=pod["metadata"]["uid"]
            )
            await self._tell(wanted, "SuccessfulDelete", f"Delete Pod {pod['metadata']['name']}")
        return [by_ordinal[number] for number in sorted(by_ordinal)]

    async def _create(self, wanted: Object, number: int) -> Object:
        name = f"{wanted['metadata']['name']}-{number}"
        try:
            for claim in claims(wanted, number):
                await self._claim(wanted, claim, name)
            created = await self._client.create(PODS, stateful_pod(wanted, number))
        except ApiError as error:
            message = (
                f"create Pod {name} in StatefulSet {wanted['metadata']['name']} failed error: {error.message}"
            )
            await self._recorder.warning(wanted, "FailedCreate", message)
            raise
        await self._tell(wanted, "SuccessfulCreate", f"Create Pod {name}")
        return created

    async def _tell(self, wanted: Object, reason: str, what: str) -> None:
        message = f"{what} in StatefulSet {wanted['metadata']['name']} successful"
        await self._recorder.normal(wanted, reason, message)

    async def _claim(self, wanted: Object, claim: Object, pod: str) -> None:
        metadata = claim["metadata"]
        if not await self._client.find(PERSISTENT_VOLUME_CLAIMS, metadata["name"], metadata["namespace"]):
            await self._client.create(PERSISTENT_VOLUME_CLAIMS, claim)
            what = f"Create Claim {metadata['name']} Pod {pod} in StatefulSet {wanted['metadata']['name']}"
            await self._recorder.normal(wanted, "SuccessfulCreate", f"{what} success")
