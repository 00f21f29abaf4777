"""How an environment is doing, on pods that really run."""

from __future__ import annotations

from bot.cluster.client.access import gateway_problem
from bot.embedded.client.resources import JOBS, PODS
from bot.model.manifest import Bundle, Condition, Manifest, Wave
from tests.contract.cluster_harness import Desk, Running, eventually, of_image, open_fence
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
    desk = running.desk
    for objects in bundle.waves.values():
        await desk.workloads.apply(desk.namespace, objects, open_fence)
        states = await desk.settled(*objects)
        assert {state.condition for state in states} <= {Condition.READY}, states
    return [each for wave in bundle.waves.values() for each in wave]


async def test_a_whole_environment_comes_up_seeded_and_answers_from_its_release(running: Running):
    desk = running.desk
    image = await running.image(serve=SERVE, seed=GREET)
    database = of_image(stateful_set(), image, "serve", readinessProbe=PROBE)
    bundle = desk.render(
        of_image(web(), image, "serve", readinessProbe=PROBE),
        front(),
        database,
        service("db", 28080),
        images={"shop": image},
        host=f"{desk.namespace}.preview.test",
        config={"GREETING": "good day"},
        seed=job("seed", "python", "seed.py"),
    )
    await desk.prepare()
    await up(running, bundle)

    async def answered() -> bool:
        answer = await running.gateway.get(running.gateway.host(desk.namespace), "/there?x=1")
        return (answer.status, answer.body, answer.release_id) == (
            200,
            "good day /there?x=1",
            bundle.release.id,
        )

    await eventually(answered)
    assert await gateway_problem(desk.api, desk.policy) is None
    assert not await desk.health.old_pods(desk.namespace, bundle.release.id)


async def test_a_push_replaces_the_pods_and_keeps_an_unchanged_seed(running: Running):
    desk = running.desk
    image = await running.image(serve=SERVE, seed=GREET)

    def bundle(greeting: str) -> Bundle:
        manifest = of_image(
            web(), image, "serve", readinessProbe=PROBE, env=[{"name": "GREETING", "value": greeting}]
        )
        seed = job("seed", "python", "seed.py", image=image.reference)
        return desk.render(manifest, front(), images={}, host=f"{desk.namespace}.preview.test", seed=seed)

    await desk.prepare()
    first, second = bundle("one"), bundle("two")
    await up(running, first)
    await desk.workloads.apply(desk.namespace, second.waves[Wave.WORKLOADS], open_fence)
    assert await desk.health.old_pods(desk.namespace, second.release.id)
    await up(running, second)
    await desk.workloads.prune(desk.namespace, second, open_fence)

    async def replaced() -> bool:
        answer = await running.gateway.get(running.gateway.host(desk.namespace), "/")
        old = await desk.health.old_pods(desk.namespace, second.release.id)
        return not old and (answer.body, answer.release_id) == ("two /", second.release.id)

    await eventually(replaced)


async def test_a_crashing_container_quotes_its_last_lines(running: Running):
    desk = running.desk
    image = await running.image(crash=FAIL)
    await desk.prepare()
    manifest = of_image(web(), image, "crash", readinessProbe=PROBE)
    bundle = desk.render(manifest, front(), images={"shop": image})
    await desk.workloads.apply(desk.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await desk.settled(*bundle.waves[Wave.WORKLOADS])
    assert (shop.kind, shop.name, shop.condition) == ("Deployment", "shop", Condition.FAILED)
    assert 'container "shop" is crash-looping: exit code 3' in shop.message
    assert shop.detail.endswith("connecting to the database\nfatal: no such table: products")


async def test_a_push_that_mends_a_crashing_database_gets_it_up(running: Running):
    desk = running.desk
    image = await running.image(serve=SERVE, crash=FAIL)
    await desk.prepare()

    async def push(script: str) -> Condition:
        database = of_image(stateful_set(), image, script, readinessProbe=PROBE)
        bundle = desk.render(web(), front(), database, service("db", 28080), images={"shop": image})
        await desk.workloads.apply(desk.namespace, bundle.waves[Wave.DATA], open_fence)
        states = await desk.settled(*bundle.waves[Wave.DATA])
        return next(state.condition for state in states if state.kind == "StatefulSet")

    assert await push("crash") is Condition.FAILED
    assert await push("serve") is Condition.READY


async def test_a_failing_check_quotes_its_last_lines(running: Running):
    desk = running.desk
    image = await running.image(crash=FAIL)
    await desk.prepare()
    bundle = desk.render(
        deployment(), service(), images={"shop": image}, checks=(job("smoke", "python", "crash.py"),)
    )
    smoke = bundle.checks["smoke"]
    await desk.workloads.apply(desk.namespace, [smoke], open_fence)
    [state] = await desk.settled(smoke)
    assert (state.condition, state.message) == (Condition.FAILED, "exit code 3")
    assert state.detail.endswith("fatal: no such table: products")
    assert len((await desk.eyes.list(PODS, desk.namespace)).items) == 1


async def test_an_image_that_is_not_there_is_told_at_once(running: Running):
    desk = running.desk
    await desk.prepare()
    missing = f"{running.registry.host}/acme/nothing:1"
    manifest = web()
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = missing
    bundle = desk.render(manifest, front(), images={})
    await desk.workloads.apply(desk.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await desk.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "the image of container" in shop.message
    assert "acme/nothing" in shop.message + shop.detail


async def test_a_missing_config_map_is_told_at_once(running: Running):
    desk = running.desk
    image = await running.image(serve=SERVE)
    manifest = of_image(web(), image, "serve", envFrom=[{"configMapRef": {"name": "nowhere"}}])
    await desk.prepare()
    bundle = desk.render(manifest, front(), images={"shop": image})
    await desk.workloads.apply(desk.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await desk.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "nowhere" in shop.message


async def test_pods_beyond_the_quota_are_told_at_once(desk: Desk):
    await desk.prepare()
    manifest = deployment()
    manifest["spec"]["replicas"] = 1
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": {"memory": "3Gi"},
        "limits": {"memory": "4Gi"},
    }
    manifest["spec"]["replicas"] = 4
    bundle = desk.render(manifest, service())
    await desk.workloads.apply(desk.namespace, bundle.waves[Wave.WORKLOADS], open_fence)
    shop, *_ = await desk.settled(*bundle.waves[Wave.WORKLOADS])
    assert shop.condition is Condition.FAILED
    assert "exceeded quota: greenroom" in shop.message


async def test_pods_that_the_limits_refuse_are_told_for_every_kind(desk: Desk):
    await desk.prepare()
    manifest = stateful_set()
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Gi"}}
    bundle = desk.render(deployment(), service(), manifest, service("db"))
    await desk.workloads.apply(desk.namespace, bundle.waves[Wave.DATA], open_fence)
    states = await desk.settled(*bundle.waves[Wave.DATA])
    database = next(state for state in states if state.kind == "StatefulSet")
    assert database.condition is Condition.FAILED
    assert "maximum memory usage per Container is 8Gi" in database.message


async def test_without_a_gateway_controller_the_route_is_waited_for(desk: Desk):
    await desk.prepare()
    bundle = desk.render()
    await desk.apply(bundle)
    [state] = await desk.health.observe(desk.namespace, bundle.waves[Wave.ROUTE])
    assert state.condition is Condition.PROGRESSING
    assert "gateway" in state.message


async def test_a_job_that_was_deleted_is_not_taken_for_done(desk: Desk):
    await desk.prepare()
    bundle = desk.render(seed=job())
    await desk.apply(bundle)
    [seed] = bundle.waves[Wave.SEED]
    await desk.eyes.delete(JOBS, seed["metadata"]["name"], desk.namespace, propagation="Background")

    async def missed() -> bool:
        [state] = await desk.health.observe(desk.namespace, [seed])
        return (state.condition, state.message) == (Condition.PROGRESSING, "it is not created yet")

    await eventually(missed)
