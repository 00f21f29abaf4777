"""Deployments, Jobs, volumes and Services, run by whatever controllers the cluster has."""

import asyncio
import contextlib
import json
import time
from collections import Counter

import httpx

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import DEPLOYMENT, JOB, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, SERVICE
from tests.kubernetes.world import World, condition, eventually, phase

NAMER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["HOSTNAME"].encode())
    def log_message(self, *args): pass
http.server.HTTPServer((os.environ["HOST"], 28080), Handler).serve_forever()
"""
CALLER = """
import os, urllib.request
url = "http://" + os.environ["WEB_SERVICE_HOST"] + ":" + os.environ["WEB_SERVICE_PORT"]
print(urllib.request.urlopen(url, timeout=5).read().decode())
"""


def template(image: str, **container: object) -> Object:
    probe = {"httpGet": {"port": "http"}}
    main = {"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 28080}]}
    spec = {"containers": [{**main, "readinessProbe": probe, **container}]}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {**spec, "terminationGracePeriodSeconds": 2}}


async def deploy(world: World, replicas: int) -> Object:
    image = await world.image({"namer.py": NAMER}, ["python", "namer.py"])
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": replicas, "selector": selector, "template": template(image)}
    await world.create(DEPLOYMENT, "web", spec=spec)
    return await world.until(DEPLOYMENT, "web", lambda d: ready_replicas(d) == replicas, "ready")


async def test_deployment_is_available_and_rolls_out(world: World) -> None:
    began = time.monotonic()
    deployment = await deploy(world, 2)
    print(f"deployment of 2: ready in {(time.monotonic() - began) * 1000:.0f} ms")
    assert condition(deployment, "Available")["status"] == "True"
    image = await world.image({"namer.py": NAMER, "new.txt": "v2"}, ["python", "namer.py"])
    await world.client.patch(DEPLOYMENT, "web", {"spec": {"template": template(image)}}, world.namespace)
    await world.until(DEPLOYMENT, "web", lambda d: rolled(d, 2), "rolled")

    async def all_new() -> bool:
        pods = (await world.client.list(POD, world.namespace)).items
        return [pod["spec"]["containers"][0]["image"] for pod in pods] == [image, image]

    await eventually(all_new)


async def test_service_balances_over_ready_pods(world: World) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    service = await world.create(SERVICE, "web", spec={"selector": {"app": "web"}, "ports": ports})
    await deploy(world, 2)
    host, port = world.node.services.of(service["spec"]["clusterIP"], 80)
    url = f"http://{host}:{port}/"
    seen: set[str] = set()

    async def both() -> bool:
        with contextlib.suppress(httpx.TransportError):
            seen.add(await answer(url))
        return len(seen) == 2

    await eventually(both)
    answers = Counter([await answer(url) for _ in range(10)])
    assert sorted(answers.values()) == [5, 5]

    image = await world.image({"call.py": CALLER}, ["python", "call.py"])
    await world.pod("caller", image, spec={"restartPolicy": "Never"})
    assert phase(await world.ended("caller")) == "Succeeded"
    assert (await world.log("caller")).strip() in answers


async def test_service_without_ready_pods_refuses(world: World) -> None:
    service = await world.create(
        SERVICE, "web", spec={"selector": {"app": "none"}, "ports": [{"port": 8099}]}
    )
    address = world.node.services.of(service["spec"]["clusterIP"], 8099)

    async def listens() -> bool:
        try:
            reader, writer = await asyncio.open_connection(*address)
        except OSError:
            return False
        writer.close()
        return await reader.read() == b""

    await eventually(listens)
    await world.client.delete(SERVICE, "web", world.namespace)

    async def closed() -> bool:
        return not await listens()

    await eventually(closed)


async def test_log_of_a_completed_job_stays(world: World) -> None:
    image = await world.image({"seed.py": "print('seeded 12 products')"}, ["python", "seed.py"])
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "seed", "image": image}]}}
    began = time.monotonic()
    await world.create(JOB, "seed", spec={"template": pod, "backoffLimit": 0})
    await world.until(JOB, "seed", lambda job: condition(job, "Complete").get("status") == "True", "complete")
    print(f"job: complete in {(time.monotonic() - began) * 1000:.0f} ms")
    pods = await world.client.list(POD, world.namespace, labels="batch.kubernetes.io/job-name=seed")
    assert await world.log(pods.items[0]["metadata"]["name"]) == "seeded 12 products\n"


async def test_failing_job_is_retried_to_its_limit(world: World) -> None:
    image = await world.image({"seed.py": "raise SystemExit('no database')"}, ["python", "seed.py"])
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "seed", "image": image}]}}
    await world.create(JOB, "seed", spec={"template": pod, "backoffLimit": 0})
    job = await world.until(JOB, "seed", lambda j: condition(j, "Failed").get("status") == "True", "failed")
    assert condition(job, "Failed")["reason"] == "BackoffLimitExceeded"


async def test_claim_keeps_data_until_deleted(world: World) -> None:
    requested = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await world.create(PERSISTENT_VOLUME_CLAIM, "data", spec=requested)
    script = "import os, sys\npath = os.environ['FILE']\n" + (
        "open(path, 'w').write('kept') if sys.argv[1:] else print(open(path).read())"
    )
    image = await world.image({"file.py": script}, [])
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    container = {
        "env": [{"name": "FILE", "value": "/var/lib/data/file"}],
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/data"}],
    }
    for name, arguments in (("writer", ["write"]), ("reader", [])):
        spec = {"restartPolicy": "Never", "volumes": [volume]}
        await world.pod(name, image, spec=spec, command=["python", "file.py", *arguments], **container)
        assert phase(await world.ended(name)) == "Succeeded"
    assert await world.log("reader") == "kept\n"

    claim = await world.client.get(PERSISTENT_VOLUME_CLAIM, "data", world.namespace)
    assert claim["status"]["phase"] == "Bound"
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    folder = world.node.folder / "claims" / claim["metadata"]["uid"]
    assert (folder / "file").read_text() == "kept"
    for name in ("writer", "reader"):
        await world.client.delete(POD, name, world.namespace)
    await world.client.delete(PERSISTENT_VOLUME_CLAIM, "data", world.namespace)
    await world.gone(PERSISTENT_VOLUME_CLAIM, "data")
    await eventually(lambda: no_volume(world, claim["spec"]["volumeName"]))
    await eventually(lambda: asyncio.to_thread(lambda: not folder.exists()))


async def test_pod_waits_for_a_missing_claim(world: World) -> None:
    image = await world.image({"x.py": "print('ran')"}, ["python", "x.py"])
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    await world.pod("early", image, spec={"restartPolicy": "Never", "volumes": [volume]})
    message = 'persistentvolumeclaim "data" not found'
    await world.until(POD, "early", lambda p: message in condition(p, "PodScheduled").get("message", ""))
    await world.wait_for_event("early", "FailedScheduling", message)
    requested = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await world.create(PERSISTENT_VOLUME_CLAIM, "data", spec=requested)
    assert phase(await world.ended("early")) == "Succeeded"


async def test_containers_of_a_pod_share_a_volume(world: World) -> None:
    script = (
        "import json, os, sys, time\nfolder = os.environ['SHARED']\npath = folder + '/message'\n"
        "if sys.argv[1:]: open(path + '.new', 'w').write('hi'); os.rename(path + '.new', path); sys.exit()\n"
        "while not os.path.exists(path): time.sleep(0.01)\nprint(json.dumps(open(path).read()))"
    )
    image = await world.image({"share.py": script}, [])
    mount = {
        "image": image,
        "env": [{"name": "SHARED", "value": "/shared"}],
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
    }
    containers = [
        {"name": "reader", "command": ["python", "share.py"], **mount},
        {"name": "writer", "command": ["python", "share.py", "write"], **mount},
    ]
    volumes = [{"name": "shared", "emptyDir": {}}]
    spec = {"containers": containers, "volumes": volumes, "restartPolicy": "Never"}
    await world.create(POD, "pair", spec=spec)
    assert phase(await world.ended("pair")) == "Succeeded"
    assert json.loads(await world.log("pair", container="reader")) == "hi"


def ready_replicas(deployment: Object) -> int:
    return int((deployment.get("status") or {}).get("readyReplicas") or 0)


def rolled(deployment: Object, replicas: int) -> bool:
    status = deployment["status"]
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = [status.get(key) or 0 for key in ("updatedReplicas", "readyReplicas", "replicas")]
    return current and counts == [replicas] * 3


async def answer(url: str) -> str:
    """Over a connection of its own, as each is balanced once."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(url)).text


async def no_volume(world: World, name: str) -> bool:
    return await world.client.find(PERSISTENT_VOLUME, name) is None
