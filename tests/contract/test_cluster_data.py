"""Data of an environment: kept across pushes and deleted as a whole."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    STATEFUL_SET,
)
from bot.cluster.names import RECORD
from bot.model.data import DataRecord, JobRecord
from bot.model.errors import Rejected
from bot.model.manifest import Bundle, Wave
from tests.contract.cluster_harness import Harness, Running, eventually, open_fence
from tests.unit.cluster.manifests import SHOP, config_map, deployment, job, service, stateful_set

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
FILES: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "files"},
    "spec": CLAIM,
}


def database() -> dict[str, Any]:
    manifest = stateful_set()
    manifest["spec"]["replicas"] = 1
    manifest["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": CLAIM}]
    return manifest


def shop(image: str = "ghcr.io/acme/shop:1.0", **pod: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(deployment(**pod))
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return manifest


def mounting(name: str) -> dict[str, Any]:
    volumes = [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}]
    return deployment(name, volumes=volumes)


def bundle(harness: Harness, *more: Any, web: Any = None, **changes: Any) -> Bundle:
    first = web or shop()
    changes = {"seed": job(), "migrations": job("migrations", "migrate"), **changes}
    return harness.render(first, service(), database(), service("db", 5432), FILES, *more, **changes)


async def uids(harness: Harness) -> dict[str, str]:
    kinds = (CONFIG_MAP, DEPLOYMENT, JOB, PERSISTENT_VOLUME_CLAIM, SERVICE, STATEFUL_SET)
    return {
        f"{kind.name}/{live['metadata']['name']}": live["metadata"]["uid"]
        for kind in kinds
        for live in (await harness.observer.list(kind, harness.namespace)).items
    }


async def claims_are_made(harness: Harness) -> None:
    async def made() -> bool:
        return (
            await harness.observer.find(PERSISTENT_VOLUME_CLAIM, "data-db-0", harness.namespace) is not None
        )

    await eventually(made, lambda: "no controller made the claim")


async def test_data_record_is_stored_in_the_namespace(harness: Harness):
    await harness.prepare()
    assert await harness.data.data(harness.namespace, harness.key) is None
    record = DataRecord(2, "c" * 40, resetting=True, seed=JobRecord("greenroom-seed-1", 3, done=True))
    await harness.data.record_data(harness.namespace, harness.key, record, open_fence)
    assert await harness.data.data(harness.namespace, harness.key) == record
    await harness.workloads.prune(harness.namespace, harness.render(), open_fence)
    assert await harness.data.data(harness.namespace, harness.key) == record


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "7",
        "[]",
        "{}",
        "{",
        '{"reseeds": "2", "commit": "c"}',
        '{"reseeds": 2, "commit": "c", "seed": null}',
        '{"reseeds": 2, "commit": "c", "unknown": ' + "[" * 100_000,
    ],
)
async def test_invalid_data_record_counts_as_absent(harness: Harness, content: str):
    await harness.prepare()
    record = DataRecord(2, "c" * 40)
    await harness.data.record_data(harness.namespace, harness.key, record, open_fence)
    [stored] = (await harness.api.list(CONFIG_MAP, harness.namespace, fields=f"metadata.name={RECORD}")).items
    metadata = {name: stored["metadata"][name] for name in ("name", "namespace", "labels")}
    await harness.api.apply({**stored, "metadata": metadata, "data": {"record.json": content}})
    assert await harness.data.data(harness.namespace, harness.key) is None


async def test_data_survives_a_push_until_the_namespace_is_deleted(harness: Harness):
    await harness.prepare()
    await harness.apply(bundle(harness))
    await claims_are_made(harness)
    before = await uids(harness)

    pushed = bundle(harness, web=shop("ghcr.io/acme/shop:2.0"), commit="d" * 40, config={"A": "1"})
    await harness.apply(pushed)
    await harness.workloads.prune(harness.namespace, pushed, open_fence)
    after = await uids(harness)
    for kept in ("StatefulSet/db", "PersistentVolumeClaim/data-db-0", "PersistentVolumeClaim/files"):
        assert after[kept] == before[kept]

    await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)

    async def gone() -> bool:
        return await harness.observer.find(NAMESPACE, harness.namespace) is None

    await eventually(gone, lambda: "the namespace is still there")


async def test_reset_deletes_only_objects_with_data(harness: Harness):
    await harness.prepare()
    made = bundle(harness, mounting("storage"), service("storage"), config_map(A="1"))
    await harness.apply(made)
    await claims_are_made(harness)
    by_hand = {**FILES, "metadata": {"name": "by-hand", "namespace": harness.namespace}}
    await harness.observer.create(PERSISTENT_VOLUME_CLAIM, by_hand)
    record = DataRecord(1, "c" * 40, resetting=True)
    await harness.data.record_data(harness.namespace, harness.key, record, open_fence)
    before = await uids(harness)

    remaining = await harness.data.reset_data(harness.namespace, harness.key, open_fence)
    assert {"StatefulSet db", "PersistentVolumeClaim data-db-0", "Deployment storage"} <= set(remaining)

    async def empty() -> bool:
        return not await harness.data.reset_data(harness.namespace, harness.key, open_fence)

    await eventually(empty, lambda: "something is still there")
    after = await uids(harness)
    gone = {name.split("-greenroom")[0] for name in before.keys() - after.keys()}
    jobs = {name for name in gone if name.startswith("Job/")}
    assert {name.rpartition("-")[0] for name in jobs} == {"Job/greenroom-seed", "Job/greenroom-migrations"}
    assert gone - jobs == {
        "Deployment/storage",
        "PersistentVolumeClaim/data-db-0",
        "PersistentVolumeClaim/files",
        "StatefulSet/db",
    }
    assert after.items() <= before.items()
    assert "PersistentVolumeClaim/by-hand" in after
    assert await harness.data.data(harness.namespace, harness.key) == record


async def test_data_job_deletes_its_earlier_runs(harness: Harness):
    await harness.prepare()
    [seed] = bundle(harness).waves[Wave.SEED]
    for run in (1, 2):
        name = f"{seed['metadata']['name']}-{run}"
        named = {**seed, "metadata": {**seed["metadata"], "name": name}}
        await harness.data.run_data_job(named, open_fence)
    assert [live for live in await uids(harness) if live.startswith("Job/")] == [f"Job/{name}"]
    await harness.workloads.prune(harness.namespace, bundle(harness), open_fence)
    assert f"Job/{name}" in await uids(harness)


async def test_seed_reads_files_of_the_repository(running: Running):
    harness = running.harness
    await harness.prepare()
    script = """
import os, pathlib
folder = pathlib.Path(os.environ["GREENROOM_FILES"])
for path in sorted(folder.rglob("*.sql")):
    print(path.relative_to(folder), path.read_bytes())
raise SystemExit(7)
"""
    image = await running.image(seed=script)
    files = {"seed/shop.sql": b"insert;", "seed/more/stage_actions.sql": b"\xff\x00"}
    request = job("seed", "python", "seed.py", files=files)
    made = harness.render(deployment(), service(), seed=request, images={"shop": image})
    await harness.workloads.apply(harness.namespace, made.waves[Wave.CONFIGURATION], open_fence)
    [seed] = made.waves[Wave.SEED]
    await harness.data.run_data_job(seed, open_fence)
    [state] = await harness.settled(seed)
    assert "exit code 7" in state.message
    assert "seed/shop.sql b'insert;'" in state.detail
    assert r"seed/more/stage_actions.sql b'\xff\x00'" in state.detail


async def test_rehearsal_changes_nothing_and_reports_needs(harness: Harness):
    await harness.prepare()
    web = shop(volumes=[{"name": "tls", "secret": {"secretName": "tls"}}])
    db = database()
    [container] = db["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"secretRef": {"name": "db"}}, {"configMapRef": {"name": "tuning"}}]
    container["env"] = [
        {"name": "MORE", "valueFrom": {"secretKeyRef": {"name": "extra", "key": "k", "optional": True}}}
    ]
    waves = harness.render(web, service(), db, service("db", 5432), seed=job()).waves
    await harness.workloads.apply(harness.namespace, waves[Wave.CONFIGURATION], open_fence)
    before = await uids(harness)
    objects = [*waves[Wave.DATA], *waves[Wave.SEED]]
    rehearsal = await harness.data.rehearse(harness.namespace, objects, open_fence)
    assert rehearsal.missing == ("ConfigMap tuning", "Secret db")
    assert set(rehearsal.images) == {"postgres:17", SHOP.reference}
    assert await uids(harness) == before

    wrong = copy.deepcopy(dict(waves[Wave.SEED][0]))
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"
    with pytest.raises(Rejected):
        await harness.data.rehearse(harness.namespace, [wrong], open_fence)


async def test_rehearsal_accepts_changes_of_immutable_fields(harness: Harness):
    await harness.prepare()
    await harness.apply(bundle(harness))
    larger = copy.deepcopy(FILES)
    larger["spec"]["accessModes"] = ["ReadWriteMany"]
    made = harness.render(shop(), service(), database(), service("db", 5432), larger)
    rehearsal = await harness.data.rehearse(harness.namespace, made.waves[Wave.DATA], open_fence)
    assert rehearsal.missing == ()
