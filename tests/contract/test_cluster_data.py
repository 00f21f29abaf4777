"""Data of an environment, on the embedded and the real control plane: it stays, or it goes as a whole."""

from __future__ import annotations

import copy
from typing import Any

from bot.embedded.client.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    SERVICES,
    STATEFUL_SETS,
)
from bot.model.data import DataRecord, JobRecord
from bot.model.manifest import Bundle, Wave
from tests.contract.cluster_harness import Desk, Running, eventually, open_fence
from tests.unit.cluster.manifests import config_map, deployment, job, service, stateful_set

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
FILES: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "files"},
    "spec": CLAIM,
}


def database() -> dict[str, Any]:
    found = stateful_set()
    found["spec"]["replicas"] = 1
    found["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": CLAIM}]
    return found


def shop(image: str = "ghcr.io/acme/shop:1.0", **pod: Any) -> dict[str, Any]:
    found = copy.deepcopy(deployment(**pod))
    found["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return found


def mounting(name: str) -> dict[str, Any]:
    volumes = [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}]
    return deployment(name, volumes=volumes)


def bundle(desk: Desk, *more: Any, web: Any = None, **changes: Any) -> Bundle:
    first = web or shop()
    changes = {"seed": job(), "migrations": job("migrations", "migrate"), **changes}
    return desk.render(first, service(), database(), service("db", 5432), FILES, *more, **changes)


async def uids(desk: Desk) -> dict[str, str]:
    kinds = (CONFIG_MAPS, DEPLOYMENTS, JOBS, PERSISTENT_VOLUME_CLAIMS, SERVICES, STATEFUL_SETS)
    return {
        f"{kind.kind}/{each['metadata']['name']}": each["metadata"]["uid"]
        for kind in kinds
        for each in (await desk.eyes.list(kind, desk.namespace)).items
    }


async def claims_are_made(desk: Desk) -> None:
    async def made() -> bool:
        return await desk.eyes.find(PERSISTENT_VOLUME_CLAIMS, "data-db-0", desk.namespace) is not None

    await eventually(made, lambda: "no controller made the claim")


async def test_the_record_of_the_data_is_kept_in_the_namespace(desk: Desk):
    await desk.prepare()
    assert await desk.data.data(desk.namespace, desk.key) is None
    record = DataRecord(2, "c" * 40, resetting=True, seed=JobRecord("greenroom-seed-1", 3, done=True))
    await desk.data.record_data(desk.namespace, desk.key, record, open_fence)
    assert await desk.data.data(desk.namespace, desk.key) == record
    await desk.workloads.prune(desk.namespace, desk.render(), open_fence)
    assert await desk.data.data(desk.namespace, desk.key) == record


async def test_data_survives_a_push_and_leaves_with_the_namespace(desk: Desk):
    await desk.prepare()
    await desk.apply(bundle(desk))
    await claims_are_made(desk)
    before = await uids(desk)

    pushed = bundle(desk, web=shop("ghcr.io/acme/shop:2.0"), commit="d" * 40, config={"A": "1"})
    await desk.apply(pushed)
    await desk.workloads.prune(desk.namespace, pushed, open_fence)
    after = await uids(desk)
    for kept in ("StatefulSet/db", "PersistentVolumeClaim/data-db-0", "PersistentVolumeClaim/files"):
        assert after[kept] == before[kept]

    await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)

    async def gone() -> bool:
        return await desk.eyes.find(NAMESPACES, desk.namespace) is None

    await eventually(gone, lambda: "the namespace is still there")


async def test_a_reset_takes_what_keeps_data_and_nothing_else(desk: Desk):
    await desk.prepare()
    made = bundle(desk, mounting("storage"), service("storage"), config_map(A="1"))
    await desk.apply(made)
    await claims_are_made(desk)
    by_hand = {**FILES, "metadata": {"name": "by-hand", "namespace": desk.namespace}}
    await desk.eyes.create(PERSISTENT_VOLUME_CLAIMS, by_hand)
    record = DataRecord(1, "c" * 40, resetting=True)
    await desk.data.record_data(desk.namespace, desk.key, record, open_fence)
    before = await uids(desk)

    told = await desk.data.reset_data(desk.namespace, desk.key, open_fence)
    assert {"StatefulSet db", "PersistentVolumeClaim data-db-0", "Deployment storage"} <= set(told)

    async def empty() -> bool:
        return not await desk.data.reset_data(desk.namespace, desk.key, open_fence)

    await eventually(empty, lambda: "something is still there")
    after = await uids(desk)
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
    assert await desk.data.data(desk.namespace, desk.key) == record


async def test_another_run_of_a_data_job_takes_the_one_before_away(desk: Desk):
    await desk.prepare()
    [seed] = bundle(desk).waves[Wave.SEED]
    for run in (1, 2):
        name = f"{seed['metadata']['name']}-{run}"
        named = {**seed, "metadata": {**seed["metadata"], "name": name}}
        await desk.data.run_data_job(named, open_fence)
    assert [each for each in await uids(desk) if each.startswith("Job/")] == [f"Job/{name}"]
    await desk.workloads.prune(desk.namespace, bundle(desk), open_fence)
    assert f"Job/{name}" in await uids(desk)


async def test_a_seed_reads_the_files_of_the_repository(running: Running):
    desk = running.desk
    await desk.prepare()
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
    made = desk.render(deployment(), service(), seed=request, images={"shop": image})
    await desk.workloads.apply(desk.namespace, made.waves[Wave.CONFIGURATION], open_fence)
    [seed] = made.waves[Wave.SEED]
    await desk.data.run_data_job(seed, open_fence)
    [state] = await desk.settled(seed)
    assert "exit code 7" in state.message
    assert "seed/shop.sql b'insert;'" in state.detail
    assert r"seed/more/stage_actions.sql b'\xff\x00'" in state.detail
