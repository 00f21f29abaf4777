"""Health of environments with running pods."""

from __future__ import annotations

from bot.cluster.client.kinds import JOB, POD
from bot.cluster.render.jobs import RETRIES
from bot.cluster.routing.gateway_check import gateway_problem
from bot.model.manifest import Bundle, Condition, Manifest, Wave
from tests.contract.cluster_harness import Harness, Running, eventually, of_image, open_fence
from tests.unit.cluster.manifests import Object, deployment, job, service, stateful_set

SERVE = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ.get("GREETING", "hello") + " " + self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer((os.environ["HOST"], 28080), Answer).serve_forever()
"""
FAIL = """
import sys
print("connecting to the database", flush=True)
print("\\x1b[31mfatal\\x1b[0m: no such table: products", file=sys.stderr)
sys.exit(3)
"""
GREET = "print('seeded 3 products')"
PROBE: Object = {"httpGet": {"path": "/", "port": 28080}, "periodSeconds": 1}


def web(replicas: int = 1) -> Object:
    manifest = deployment(terminationGracePeriodSeconds=1)
    manifest["spec"]["replicas"] = replicas
    return manifest


def front() -> Object:
    return service(ports=[{"port": 80, "targetPort": 28080}])


async def up(running: Running, bundle: Bundle) -> list[Manifest]:
    """Applies wave after wave, each settled before the next; everything that was applied."""
    harness = running.harness
    for objects in bundle.waves.values():
        await harness.workloads.apply(harness.namespace, objects, open_fence)
        states = await harness.settled(*objects)
        assert {state.condition for state in states} <= {Condition.READY}, states
    return [manifest for wave in bundle.waves.values() for manifest in wave]


async def test_environment_becomes_ready_and_serves_its_release(running: Running):
    harness = running.harness
    image = await running.image(serve=SERVE, seed=GREET)
    database = of_image(stateful_set(), image, "serve", readinessProbe=PROBE)
    bundle = harness.render(
        of_image(web(), image, "serve", readinessProbe=PROBE),
        front(),
        database,
        service("db", 28080),
        images={"shop": image},
        host=f"{harness.namespace}.preview.test",
        config={"GREETING": "good day"},
        seed=job("seed", "python", "seed.py"),
    )
    await harness.prepare()
    await up(running, bundle)

    async def answered() -> bool:
        answer = await running.gateway.get(running.gateway.host(harness.namespace), "/there?x=1")
        return (answer.status, answer.body, answer.release_id) == (
            200,
            "good day /there?x=1",
            bundle.release.id,
        )

    await eventually(answered)
    assert await gateway_problem(harness.api, harness.policy) is None
    assert not await harness.health.old_pods(harness.namespace, bundle.release.id)
    objects = [manifest for wave in bundle.waves.values() for manifest in wave]
    containers = await harness.health.running(harness.namespace, objects)
    assert {(container.image, container.expected, container.digest) for container in containers} == {
        (image.reference, image.reference, image.digest)
    }
    undeclared = await harness.health.running(harness.namespace, [])
    assert {container.expected for container in undeclared} == {""}


async def test_push_replaces_pods_and_keeps_the_seed(running: Running):
    harness = running.harness
    image = await running.image(serve=SERVE, seed=GREET)

    def bundle(greeting: str) -> Bundle:
        manifest = of_image(
            web(), image, "serve", readinessProbe=PROBE, env=[{"name": "GREETING", "value": greeting}]
        )
        seed = job("seed", "python", "seed.py", image=image.reference)
        return harness.render(
            manifest, front(), images={}, host=f"{harness.namespace}.preview.test", seed=seed
        )

    await harness.prepare()
    first, second = bundle("one"), bundle("two")
    await up(running, first)
    await harness.workloads.apply(harness.namespace, second.waves[Wave.WORKLOADS], open_fence)
    assert await harness.health.old_pods(harness.namespace, second.release.id)
    await up(running, second)
    await harness.workloads.prune(harness.namespace, second, open_fence)

    async def replaced() -> bool:
        answer = await running.gateway.get(running.gateway.host(harness.namespace), "/")
        old = await harness.health.old_pods(harness.namespace, second.release.id)
        return not old and (answer.body, answer.release_id) == ("two /", second.release.id)

    await eventually(replaced)


async def test_crashing_container_has_its_log(running: Running):
    harness = running.harness
    image = await running.image(crash=FAIL)
    await harness.prepare()
    manifest = of_image(web(), image, "crash", readinessProbe=PROBE)
    bundle = harness.render(manifest, front(), images={"shop": image})
    await harness.apply(bundle)
    shop, *_ = await harness.settled(*bundle.waves[Wave.WORKLOADS])
    assert (shop.kind, shop.name, shop.condition) == ("Deployment", "shop", Condition.FAILED)
    assert 'container "shop" is crash-looping: exit code 3' in shop.message
    assert shop.detail.endswith("connecting to the database\nfatal: no such table: products")


async def test_push_replaces_failing_stateful_pods(running: Running):
    harness = running.harness
    image = await running.image(serve=SERVE, crash=FAIL)
    await harness.prepare()

    async def push(script: str) -> Condition:
        database = of_image(stateful_set(), image, script, readinessProbe=PROBE)
        bundle = harness.render(web(), front(), database, service("db", 28080), images={"shop": image})
        for wave in (Wave.CONFIGURATION, Wave.DATA):
            await harness.workloads.apply(harness.namespace, bundle.waves[wave], open_fence)
        states = await harness.settled(*bundle.waves[Wave.DATA])
        return next(state.condition for state in states if state.kind == "StatefulSet")

    assert await push("crash") is Condition.FAILED
    assert await push("serve") is Condition.READY


async def test_failing_check_has_its_log(running: Running):
    harness = running.harness
    image = await running.image(crash=FAIL)
    await harness.prepare()
    bundle = harness.render(
        deployment(), service(), images={"shop": image}, checks=(job("smoke", "python", "crash.py"),)
    )
    smoke = bundle.checks["smoke"]
    await harness.workloads.apply(harness.namespace, bundle.waves[Wave.CONFIGURATION], open_fence)
    await harness.workloads.apply(harness.namespace, [smoke], open_fence)
    [state] = await harness.settled(smoke)
    assert (state.condition, state.message) == (Condition.FAILED, "exit code 3")
    assert state.detail.endswith("fatal: no such table: products")
    assert len((await harness.observer.list(POD, harness.namespace)).items) == 1 + RETRIES


async def test_missing_image_fails_at_once(running: Running):
    harness = running.harness
    await harness.prepare()
    missing = f"{running.registry.host}/acme/nothing:1"
    manifest = web()
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = missing
    bundle = harness.render(manifest, front(), images={})
    await harness.workloads.apply(harness.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await harness.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "the image of container" in shop.message
    assert "acme/nothing" in shop.message + shop.detail


async def test_missing_config_map_fails_at_once(running: Running):
    harness = running.harness
    image = await running.image(serve=SERVE)
    manifest = of_image(web(), image, "serve", envFrom=[{"configMapRef": {"name": "nowhere"}}])
    await harness.prepare()
    bundle = harness.render(manifest, front(), images={"shop": image})
    await harness.workloads.apply(harness.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await harness.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "nowhere" in shop.message


async def test_pods_above_the_quota_fail_at_once(harness: Harness):
    await harness.prepare()
    manifest = deployment()
    manifest["spec"]["replicas"] = 1
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"memory": "3Gi"},
        "limits": {"memory": "4Gi"},
    }
    manifest["spec"]["replicas"] = 4
    bundle = harness.render(manifest, service())
    await harness.workloads.apply(harness.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await harness.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "exceeded quota: greenroom" in shop.message


async def test_pods_rejected_by_limits_fail_for_every_kind(harness: Harness):
    await harness.prepare()
    manifest = stateful_set()
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Gi"}}
    bundle = harness.render(deployment(), service(), manifest, service("db"))
    await harness.workloads.apply(harness.namespace, bundle.waves[Wave.DATA], open_fence)
    states = await harness.settled(*bundle.waves[Wave.DATA])
    database = next(state for state in states if state.kind == "StatefulSet")
    assert database.condition is Condition.FAILED
    assert "maximum memory usage per Container is 8Gi" in database.message


async def test_route_without_gateway_controller_is_progressing(harness: Harness):
    await harness.prepare()
    bundle = harness.render()
    await harness.apply(bundle)
    [state] = await harness.health.observe(harness.namespace, bundle.waves[Wave.ROUTE])
    assert state.condition is Condition.PROGRESSING
    assert "gateway" in state.message


async def test_deleted_job_is_progressing(harness: Harness):
    await harness.prepare()
    bundle = harness.render(seed=job())
    await harness.apply(bundle)
    [seed] = bundle.waves[Wave.SEED]
    await harness.observer.delete(JOB, seed["metadata"]["name"], harness.namespace)

    async def missed() -> bool:
        [state] = await harness.health.observe(harness.namespace, [seed])
        return (state.condition, state.message) == (Condition.PROGRESSING, "it is not created yet")

    await eventually(missed)
