"""The data of an environment: its record, its Jobs and its reset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STATEFUL_SET,
    Kind,
)
from bot.cluster.names import ENVIRONMENT, RECORD, data_job, own_labels
from bot.cluster.node import Node
from bot.cluster.pod_templates import claims, containers, pod_template, references
from bot.environments.ports import Fence
from bot.model.data import DataRecord, Rehearsal
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Manifest

Object = Mapping[str, Any]

_KEY = "record.json"


class KubernetesData:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        """The stored record; None when it is absent, not ours or invalid."""
        selector = f"{ENVIRONMENT}={environment.label}"
        records = await self._api.list(
            CONFIG_MAP, namespace, labels=selector, fields=f"metadata.name={RECORD}"
        )
        return _parse(records.items[0]) if records.items else None

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None:
        await fence()
        await self._api.apply(
            {
                "apiVersion": CONFIG_MAP.api_version,
                "kind": CONFIG_MAP.name,
                "metadata": {"name": RECORD, "namespace": namespace, "labels": own_labels(environment)},
                "data": {_KEY: json.dumps(asdict(record))},
            }
        )

    async def rehearse(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> Rehearsal:
        """Applies the objects of new data as a dry run, and reads what else they need.

        Changes of immutable fields are allowed, since a reset deletes the objects first. Raises Rejected for
        an object that cannot be created.
        """
        for manifest in objects:
            await fence()
            try:
                await self._api.apply(manifest, dry_run=True)
            except Refused as error:
                if not error.immutable_fields:
                    raise
        templates = [template for manifest in objects if (template := pod_template(manifest)) is not None]
        images = {str(container["image"]) for template in templates for container in containers(template)}
        needed = {ref for template in templates for ref in references(Node(template), required=True)}
        kinds = [kind for kind in (CONFIG_MAP, SECRET) if any(name == kind.name for name, _ in needed)]
        lists = await asyncio.gather(*(self._api.list(kind, namespace) for kind in kinds))
        existing = {
            (kind.name, name) for kind, live in zip(kinds, lists, strict=True) for name in _names(live.items)
        }
        missing = sorted(f"{kind} {name}" for kind, name in needed - existing)
        return Rehearsal(tuple(sorted(images)), tuple(missing))

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        """Applies a Job that changes data and deletes the earlier Jobs of its kind."""
        await fence()
        await self._api.apply(job)
        metadata = job["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        live = await self._api.list(JOB, namespace, labels=f"{ENVIRONMENT}={metadata['labels'][ENVIRONMENT]}")
        names = ((other["metadata"]["name"], other) for other in live.items)
        earlier = [
            other
            for other_name, other in names
            if data_job(other_name) == data_job(name) and other_name != name
        ]
        await self._delete(JOB, earlier, fence)

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        """Deletes everything that keeps data and returns what still exists; repeat until that is empty.

        Covers volume claims, StatefulSets, other workloads that mount a claim, and the Jobs that seeded and
        migrated the data. Only objects with the environment's label are deleted.
        """
        kinds = (PERSISTENT_VOLUME_CLAIM, STATEFUL_SET, DEPLOYMENT, JOB, POD)
        labels = f"{ENVIRONMENT}={environment.label}"
        lists = await asyncio.gather(*(self._api.list(kind, namespace, labels=labels) for kind in kinds))
        remaining = {
            kind: [live for live in objects.items if _keeps_data(kind, live)]
            for kind, objects in zip(kinds, lists, strict=True)
        }
        for kind, objects in remaining.items():
            # A controller replaces its pods, so those are deleted with the controller.
            unowned = [
                live for live in objects if kind is not POD or not live["metadata"].get("ownerReferences")
            ]
            await self._delete(kind, unowned, fence)
        return [f"{kind.name} {name}" for kind, objects in remaining.items() for name in _names(objects)]

    async def _delete(self, kind: Kind, objects: Sequence[Object], fence: Fence) -> None:
        for live in objects:
            metadata = live["metadata"]
            if not metadata.get("deletionTimestamp"):
                await fence()
                preconditions = {"uid": metadata["uid"]}
                await self._api.delete(
                    kind, metadata["name"], metadata["namespace"], preconditions=preconditions
                )


def _names(objects: Sequence[Object]) -> list[str]:
    return [live["metadata"]["name"] for live in objects]


def _parse(config_map: Object) -> DataRecord | None:
    try:
        return msgspec.json.decode((config_map.get("data") or {})[_KEY], type=DataRecord)
    except (KeyError, msgspec.MsgspecError, RecursionError):
        return None


def _keeps_data(kind: Kind, live: Object) -> bool:
    if kind in (PERSISTENT_VOLUME_CLAIM, STATEFUL_SET):
        return True
    if kind is JOB and data_job(live["metadata"]["name"]):
        return True
    if kind is POD and (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    owners = live["metadata"].get("ownerReferences") or []
    return bool(claims({**live, "kind": kind.name})) or any(
        owner.get("kind") == STATEFUL_SET.name for owner in owners
    )
