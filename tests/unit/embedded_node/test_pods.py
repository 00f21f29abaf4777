"""Pods: start, status, probes, logs and termination."""

import json
import time

import pytest

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import CONFIG_MAP, POD, SECRET
from tests.kubernetes.world import World, condition, container_status, eventually, phase

SERVER = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        healthy = not os.path.exists(os.environ.get("SICK", "/nonexistent"))
        self.send_response(200 if healthy else 500)
        self.end_headers()
        self.wfile.write(os.environ.get("GREETING", "hello").encode())
    def log_message(self, *args): pass
signal.signal(signal.SIGTERM, lambda *_: (print("goodbye", flush=True), sys.exit(0)))
print("listening", flush=True)
http.server.HTTPServer((os.environ["HOST"], 28080), Handler).serve_forever()
"""
HTTP_PROBE = {"httpGet": {"path": "/healthz", "port": 28080}}


async def server(world: World) -> str:
    return await world.image({"server.py": SERVER}, ["python", "server.py"])


async def test_pod_runs_and_logs(world: World) -> None:
    image = await server(world)
    began = time.monotonic()
    await world.pod("web", image, readinessProbe=HTTP_PROBE)
    pod = await world.ready("web")
    print(f"created to ready in {(time.monotonic() - began) * 1000:.0f} ms")
    assert pod["spec"]["nodeName"] == world.node.name
    assert pod["status"]["podIP"].startswith("10.244.")
    assert pod["status"]["hostIP"] == "127.0.0.1"
    assert {c["type"] for c in pod["status"]["conditions"]} >= {
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
    }
    status = container_status(pod)
    assert status["imageID"] == image
    assert status["state"]["running"]["startedAt"]
    assert await world.log("web") == "listening\n"
    for reason, text in (
        ("Scheduled", f"Successfully assigned {world.namespace}/web to {world.node.name}"),
        ("Pulling", f'Pulling image "{image}"'),
        ("Pulled", "Successfully pulled image"),
        ("Created", "Container created"),
        ("Started", "Container started"),
    ):
        await world.wait_for_event("web", reason, text)


async def test_deleted_pod_ends_gracefully(world: World) -> None:
    await world.pod("web", await server(world), readinessProbe=HTTP_PROBE)
    await world.ready("web")
    began = time.monotonic()
    await world.client.delete(POD, "web", world.namespace)
    await world.gone(POD, "web")
    assert time.monotonic() - began < 2, "it ended on SIGTERM, not SIGKILL"
    await world.wait_for_event("web", "Killing", "Stopping container main")


async def test_pod_that_ignores_sigterm_is_killed(world: World) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(60)"
    image = await world.image({"deaf.py": deaf}, ["python", "-u", "deaf.py"])
    await world.pod("deaf", image, spec={"terminationGracePeriodSeconds": 1})
    await world.until(POD, "deaf", running)
    await eventually(lambda: log_contains(world, "deaf", "deaf"))
    began = time.monotonic()
    await world.client.delete(POD, "deaf", world.namespace)
    await world.gone(POD, "deaf")
    assert 0.5 < time.monotonic() - began < 4


async def test_completed_pod_has_succeeded(world: World) -> None:
    image = await world.image({"done.py": "print('done')"}, ["python", "done.py"])
    await world.pod("done", image, spec={"restartPolicy": "Never"})
    pod = await world.ended("done")
    assert phase(pod) == "Succeeded"
    assert container_status(pod)["state"]["terminated"]["reason"] == "Completed"
    ready = condition(pod, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")
    assert await world.log("done") == "done\n"


async def test_failed_pod_shows_code_and_output(world: World) -> None:
    image = await world.image({"fail.py": "print('no money')\nraise SystemExit(3)"}, ["python", "fail.py"])
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    await world.pod("fail", image, spec={"restartPolicy": "Never"}, **fallback)
    pod = await world.ended("fail")
    assert phase(pod) == "Failed"
    ended = container_status(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "no money\n")


async def test_crashing_container_restarts_with_backoff(world: World) -> None:
    image = await world.image({"crash.py": "print('crash')\nraise SystemExit(1)"}, ["python", "crash.py"])
    await world.pod("crash", image)
    pod = await world.until(POD, "crash", lambda p: waits_for(p, "CrashLoopBackOff"), "crash looping")
    assert phase(pod) == "Running"
    status = container_status(pod)
    assert status["restartCount"] >= 1
    assert status["lastState"]["terminated"]["exitCode"] == 1
    uid = pod["metadata"]["uid"]
    named = f"restarting failed container=main pod=crash_{world.namespace}({uid})"
    assert named in status["state"]["waiting"]["message"]
    assert condition(pod, "ContainersReady")["message"] == "containers with unready status: [main]"
    assert await world.log("crash", previous="true") == "crash\n"
    await world.wait_for_event("crash", "BackOff", "Back-off restarting failed container main in pod crash_")


async def test_readiness_follows_the_probe(world: World) -> None:
    volume = {"volumes": [{"name": "state", "emptyDir": {}}]}
    sick = [{"name": "SICK", "value": "/state/sick"}]
    await world.pod(
        "web",
        await server(world),
        spec=volume,
        env=sick,
        volumeMounts=[{"name": "state", "mountPath": "/state"}],
        readinessProbe={**HTTP_PROBE, "periodSeconds": 1, "failureThreshold": 1},
        lifecycle={"postStart": {"exec": {"command": ["touch", "/state/sick"]}}},
    )
    pod = await world.until(POD, "web", running)
    await world.wait_for_event(
        "web", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500"
    )
    pod = await world.client.get(POD, "web", world.namespace)
    assert condition(pod, "Ready")["reason"] == "ContainersNotReady"
    folder = world.node.folder / "pods" / pod["metadata"]["uid"] / "volumes" / "state"
    (folder / "sick").unlink()
    pod = await world.ready("web")
    assert container_status(pod)["restartCount"] == 0


async def test_failed_liveness_probe_restarts(world: World) -> None:
    alive = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await world.pod("web", await server(world), livenessProbe=alive)
    pod = await world.until(POD, "web", lambda p: container_status(p).get("restartCount", 0) > 0, "restarted")
    assert container_status(pod)["lastState"]["terminated"]["exitCode"] == 0, "it was asked to end"
    await world.wait_for_event("web", "Unhealthy", "Liveness probe failed:")
    await world.wait_for_event("web", "Killing", "Container main failed liveness probe, will be restarted")


async def test_init_containers_run_in_order(world: World) -> None:
    image = await world.image(
        {"step.py": "import sys\nopen(sys.argv[1] + '/steps', 'a').write(sys.argv[2])"}, []
    )
    mount = {"image": image, "volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    inits = [{"name": f"step-{n}", **mount, "command": ["python", "step.py", "/work", n]} for n in "12"]
    spec = {
        "initContainers": inits,
        "volumes": [{"name": "work", "emptyDir": {}}],
        "restartPolicy": "Never",
    }
    show = ["python", "-c", "import os; print(open(os.environ['WORK'] + '/steps').read())"]
    main = {"volumeMounts": mount["volumeMounts"], "env": [{"name": "WORK", "value": "/work"}]}
    await world.pod("steps", image, spec=spec, command=show, **main)
    pod = await world.ended("steps")
    assert phase(pod) == "Succeeded"
    assert await world.log("steps", container="main") == "12\n"


async def test_failing_init_container_blocks_the_pod(world: World) -> None:
    image = await world.image({"x.py": "raise SystemExit(1)"}, ["python", "x.py"])
    await world.pod("held", image, spec={"initContainers": [{"name": "first", "image": image}]})

    def crashing(pod: Object) -> bool:
        inits = (pod.get("status") or {}).get("initContainerStatuses") or [{}]
        waiting = (inits[0].get("state") or {}).get("waiting") or {}
        return bool(waiting.get("reason") == "CrashLoopBackOff")

    pod = await world.until(POD, "held", crashing, "crash looping")
    assert phase(pod) == "Pending"
    assert condition(pod, "Initialized")["message"] == "containers with incomplete status: [first]"
    assert container_status(pod)["state"]["waiting"]["reason"] == "PodInitializing"


async def test_environment_is_that_of_the_pod(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_WEBHOOK_SECRET", "not for pods")
    await world.create(CONFIG_MAP, "settings", data={"COLOUR": "green", "SIZE": "9"})
    await world.create(SECRET, "keys", stringData={"TOKEN": "t0ken"})
    image = await world.image(
        {"env.py": "import json, os\nprint(json.dumps(dict(os.environ)))"}, ["python", "env.py"]
    )
    env = [
        {"name": "SIZE", "value": "10"},
        {"name": "SHOE", "value": "$(COLOUR) $(SIZE) $(UNKNOWN) $$(SIZE)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}},
    ]
    await world.pod(
        "env",
        image,
        spec={"restartPolicy": "Never"},
        env=env,
        envFrom=[{"configMapRef": {"name": "settings"}}],
    )
    pod = await world.ended("env")
    seen = json.loads(await world.log("env"))
    assert seen["SHOE"] == "green 10 $(UNKNOWN) $(SIZE)"
    assert (seen["COLOUR"], seen["NAME"], seen["TOKEN"]) == ("green", "env", "t0ken")
    assert seen["HOST"] == seen["ADDRESS"] == "127" + pod["status"]["podIP"].removeprefix("10")
    assert "MAYBE" not in seen
    assert not [name for name in seen if name.startswith("GREENROOM")]


@pytest.mark.parametrize(
    ("image", "reason", "event"),
    [
        ("Not An Image", "InvalidImageName", ("InspectFailed", "couldn't parse image name")),
        ("127.0.0.1:1/acme/none:1", "ImagePullBackOff", ("Failed", "Error: ErrImagePull")),
    ],
)
async def test_unreachable_image_is_reported(
    world: World, image: str, reason: str, event: tuple[str, str]
) -> None:
    await world.pod("lost", image)
    pod = await world.until(POD, "lost", lambda p: waits_for(p, reason), reason)
    assert phase(pod) == "Pending"
    await world.wait_for_event("lost", *event)


async def test_missing_image_is_reported_by_name(world: World) -> None:
    name = f"{world.registry.host}/acme/none:1"
    await world.pod("lost", name)
    pod = await world.until(POD, "lost", lambda p: waits_for(p, "ImagePullBackOff"))
    assert f"{name}: not found" in container_status(pod)["state"]["waiting"]["message"]


async def test_pod_waits_for_a_missing_secret(world: World) -> None:
    image = await world.image({"x.py": "print('ran')"}, ["python", "x.py"])
    wants = [{"secretRef": {"name": "later"}}]
    await world.pod("patient", image, spec={"restartPolicy": "Never"}, envFrom=wants)
    pod = await world.until(POD, "patient", lambda p: waits_for(p, "CreateContainerConfigError"))
    assert container_status(pod)["state"]["waiting"]["message"] == 'secret "later" not found'
    await world.wait_for_event("patient", "Failed", 'Error: secret "later" not found')
    await world.create(SECRET, "later", stringData={})
    assert phase(await world.ended("patient")) == "Succeeded"


async def test_missing_command_is_reported(world: World) -> None:
    image = await world.image({"x": ""}, ["no-such-program"])
    await world.pod("wrong", image, spec={"restartPolicy": "Never"})
    pod = await world.ended("wrong")
    ended = container_status(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]


async def test_logs_have_limits_timestamps_and_follow(world: World) -> None:
    text = "import time\nfor n in range(5): print(n, flush=True)\ntime.sleep(0.3)\nprint('end', flush=True)"
    image = await world.image({"count.py": text}, ["python", "count.py"])
    await world.pod("count", image, spec={"restartPolicy": "Never"})
    await world.until(POD, "count", lambda p: running(p) or phase(p) == "Succeeded")
    assert await world.log("count", follow="true") == "0\n1\n2\n3\n4\nend\n"
    await world.ended("count")
    assert await world.log("count", tailLines="2") == "4\nend\n"
    stamped = await world.log("count", tailLines="1", timestamps="true")
    assert stamped.endswith("Z end\n")
    assert stamped[4] == "-"


async def log_contains(world: World, pod: str, text: str) -> bool:
    return text in await world.log(pod)


def running(pod: Object) -> bool:
    return "running" in (container_status(pod).get("state") or {})


def waits_for(pod: Object, reason: str) -> bool:
    waiting = (container_status(pod).get("state") or {}).get("waiting") or {}
    return bool(waiting.get("reason") == reason)


async def test_image_of_root_is_refused_for_a_pod_that_must_not_run_as_root(world: World) -> None:
    image = await world.image({"wait.py": "import time\ntime.sleep(60)"}, ["python", "wait.py"], user="root")
    await world.pod("server", image, spec={"securityContext": {"runAsNonRoot": True}})

    def refused(pod: Object) -> bool:
        waiting = (container_status(pod).get("state") or {}).get("waiting") or {}
        return waiting == {
            "reason": "CreateContainerConfigError",
            "message": "container has runAsNonRoot and image will run as root",
        }

    await world.until(POD, "server", refused)
