"""The data of an environment: the record of what was done to it, its Jobs, and starting over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bot.cluster.client.api import Api
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    STATEFUL_SET,
    Kind,
)
from bot.cluster.names import ENVIRONMENT, RECORD, data_job
from bot.cluster.ownership import own_labels
from bot.cluster.render.pod_templates import claims
from bot.environments.ports import Fence
from bot.model.data import DataRecord, JobRecord
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Manifest

Object = Mapping[str, Any]

_KEY = "record.json"


async def read(api: Api, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
    """None when there is none, or none of ours."""
    found = await api.list(
        CONFIG_MAP, namespace, labels=f"{ENVIRONMENT}={environment.label}", fields=f"metadata.name={RECORD}"
    )
    for each in found.items:
        try:
            value = json.loads((each.get("data") or {})[_KEY])
            migrations, seed = JobRecord(**value.pop("migrations")), JobRecord(**value.pop("seed"))
            return DataRecord(**value, migrations=migrations, seed=seed)
        except (KeyError, TypeError, ValueError):
            return None
    return None


async def write(
    api: Api, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
) -> None:
    await fence()
    await api.apply(
        {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.name,
            "metadata": {"name": RECORD, "namespace": namespace, "labels": own_labels(environment)},
            "data": {_KEY: json.dumps(asdict(record))},
        }
    )


async def run(api: Api, job: Manifest, fence: Fence) -> None:
    """Applies a Job that changes data and deletes the earlier ones of its kind."""
    await fence()
    await api.apply(job)
    metadata = job["metadata"]
    kind = data_job(metadata["name"])
    live = await api.list(
        JOB, metadata["namespace"], labels=f"{ENVIRONMENT}={metadata['labels'][ENVIRONMENT]}"
    )
    earlier = [
        each
        for each in live.items
        if data_job(each["metadata"]["name"]) == kind and each["metadata"]["name"] != metadata["name"]
    ]
    await _delete(api, JOB, earlier, fence)


async def reset(api: Api, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
    """Deletes what keeps data and tells what is still there: to be called again until that is nothing.

    These are volume claims, StatefulSets, whatever else mounts a claim, and the Jobs that seeded and
    migrated; all of them only with the environment's label.
    """
    kinds = (PERSISTENT_VOLUME_CLAIM, STATEFUL_SET, DEPLOYMENT, JOB, POD)
    labels = f"{ENVIRONMENT}={environment.label}"
    lists = await asyncio.gather(*(api.list(kind, namespace, labels=labels) for kind in kinds))
    going = {
        kind: [each for each in found.items if _goes(kind, each)]
        for kind, found in zip(kinds, lists, strict=True)
    }
    for kind, objects in going.items():
        # A controller makes its pods again, so they go with it.
        alone = [each for each in objects if kind is not POD or not each["metadata"].get("ownerReferences")]
        await _delete(api, kind, alone, fence)
    return [f"{kind.name} {each['metadata']['name']}" for kind, objects in going.items() for each in objects]


def _goes(kind: Kind, live: Object) -> bool:
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


async def _delete(api: Api, kind: Kind, objects: Sequence[Object], fence: Fence) -> None:
    for each in objects:
        metadata = each["metadata"]
        if not metadata.get("deletionTimestamp"):
            await fence()
            same = {"uid": metadata["uid"]}
            await api.delete(kind, metadata["name"], metadata["namespace"], preconditions=same)
