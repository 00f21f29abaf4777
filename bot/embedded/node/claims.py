"""PersistentVolumeClaims: each gets a volume, which is a folder of this node, for as long as it exists."""

import asyncio
import shutil
from pathlib import Path

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM
from bot.embedded.informer import Change, Informer, Key
from bot.embedded.reconciler import Reconciler
from bot.embedded.recorder import Recorder

_LABEL = "greenroom.dev/node"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}


class Claims:
    """Binds claims, also where a control plane has a controller that would finish the binding."""

    def __init__(
        self, client: KubernetesApi, claims: Informer, recorder: Recorder, node_name: str, folder: Path
    ) -> None:
        self._client = client
        self._claims = claims
        self._recorder = recorder
        self._node_name = node_name
        self._folder = folder
        self._bindings: Reconciler[Key] = Reconciler("claims", self._bind)
        self._volumes: Reconciler[str] = Reconciler("volumes", self._reclaim)
        claims.listen(self._changed)

    async def run(self) -> None:
        await self._claims.synced()
        existing = {claim["metadata"]["uid"] for claim in self._claims.list()}
        for uid in await asyncio.to_thread(_folders, self._folder):
            if uid not in existing:
                self._volumes.add(uid)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bindings.run())
            group.create_task(self._volumes.run())

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED":
            self._volumes.add(change.object["metadata"]["uid"])
        else:
            self._bindings.add(change.key)

    async def _bind(self, key: Key) -> None:
        namespace, name = key
        claim = self._claims.get(name, namespace)
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            return
        if claim["metadata"].get("deletionTimestamp"):
            return
        volume = volume_for(claim, self._node_name, self._folder)
        volume_name = volume["metadata"]["name"]
        # The folder comes first: by it the next start finds what has lost its claim meanwhile.
        await asyncio.to_thread((self._folder / claim["metadata"]["uid"]).mkdir, 0o700, True, True)
        await self._create(volume)
        binding = {"metadata": {"annotations": _BOUND}, "spec": {"volumeName": volume_name}}
        await self._client.patch(PERSISTENT_VOLUME_CLAIM, name, binding, namespace)
        status = {"phase": "Bound"} | {key: volume["spec"][key] for key in ("accessModes", "capacity")}
        await self._client.patch_status(PERSISTENT_VOLUME_CLAIM, name, status, namespace)
        text = f"Successfully provisioned volume {volume_name}"
        self._recorder.normal(claim, "ProvisioningSucceeded", text)

    async def _create(self, volume: Object) -> None:
        """An API server without volumes is content with claims that are bound to a name."""
        try:
            await self._client.create(PERSISTENT_VOLUME, volume)
        except Refused as error:
            if not error.already_exists and not error.not_found:
                raise
            if error.not_found:
                return
        await self._client.patch_status(PERSISTENT_VOLUME, volume["metadata"]["name"], {"phase": "Bound"})

    async def _reclaim(self, uid: str) -> None:
        """Delete the volume and the data of a deleted claim."""
        await self._client.delete(PERSISTENT_VOLUME, _name(uid))
        await asyncio.to_thread(shutil.rmtree, self._folder / uid, ignore_errors=True)


def volume_for(claim: Object, node_name: str, folder: Path) -> Object:
    """The volume that a claim asks for. Pure."""
    metadata, spec = claim["metadata"], claim["spec"]
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    reference |= {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _name(metadata["uid"]), "labels": {_LABEL: node_name}},
        "spec": {
            "capacity": {"storage": ((spec.get("resources") or {}).get("requests") or {})["storage"]},
            "accessModes": spec["accessModes"],
            "claimRef": reference,
            # The node removes the folder when the claim is deleted.
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "hostPath": {"path": str(folder / metadata["uid"])},
        },
    }


def _folders(place: Path) -> list[str]:
    return [child.name for child in place.iterdir()] if place.exists() else []


def _name(claim_uid: str) -> str:
    return f"pvc-{claim_uid}"
