"""Applies an object, and replaces one whose changed fields are immutable. Data is never replaced."""

from __future__ import annotations

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET, kind_of
from bot.cluster.names import ENVIRONMENT, object_name
from bot.environments.ports import Fence
from bot.model.errors import ImmutableField, Unavailable
from bot.model.manifest import Manifest


async def apply_or_replace(api: KubernetesApi, manifest: Manifest, fence: Fence, *, replaces: bool) -> None:
    """Raises ImmutableField if the object must not be replaced, Unavailable until the old one is deleted."""
    await fence()
    try:
        applied = await api.apply(manifest)
    except Refused as error:
        if not error.immutable_fields:
            raise
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if not replaces or kind_of(manifest) is PERSISTENT_VOLUME_CLAIM:
            raise ImmutableField(str(error), kind, name, error.immutable_fields) from None
        await _delete(api, manifest, error, fence)
        await fence()
        applied = await api.apply(manifest)
    if applied["metadata"].get("deletionTimestamp"):
        raise _waiting(manifest)


async def _delete(api: KubernetesApi, manifest: Manifest, error: Refused, fence: Fence) -> None:
    kind, metadata = kind_of(manifest), manifest["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    live = await _find(api, manifest)
    if live is not None and not live["metadata"].get("deletionTimestamp"):
        labels = live["metadata"].get("labels") or {}
        if labels.get(ENVIRONMENT) != metadata["labels"][ENVIRONMENT]:
            raise error
        # A StatefulSet may be configured to delete its volume claims with itself, so it leaves orphans.
        stateful = kind is STATEFUL_SET
        pods = await _pods(api, live) if stateful else []
        await fence()
        uid = {"uid": live["metadata"]["uid"]}
        await api.delete(kind, name, namespace, preconditions=uid, orphans=stateful)
        for pod in pods:
            await fence()
            uid = {"uid": pod["metadata"]["uid"]}
            await api.delete(POD, pod["metadata"]["name"], namespace, preconditions=uid)
        live = await _find(api, manifest)
    if live is not None:
        raise _waiting(manifest)


async def _find(api: KubernetesApi, manifest: Manifest) -> Object | None:
    """Reads an object by a list, which the bot may read of all kinds."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    listed = await api.list(kind_of(manifest), namespace, fields=f"metadata.name={name}")
    return next(iter(listed.items), None)


async def _pods(api: KubernetesApi, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        pod
        for pod in (await api.list(POD, owner["metadata"]["namespace"])).items
        if any(reference["uid"] == uid for reference in pod["metadata"].get("ownerReferences") or [])
    ]


def _waiting(manifest: Manifest) -> Unavailable:
    return Unavailable(f"{object_name(manifest)} is being deleted and is then created again.")
