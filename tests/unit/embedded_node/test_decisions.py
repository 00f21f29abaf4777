"""Decisions of the node, tested without a cluster: environment, command, status, placement."""

import base64
import sys
from pathlib import Path

import pytest

from bot.cluster.client.api import Object
from bot.embedded.node.addresses import ServiceAddresses, twin
from bot.embedded.node.command import command
from bot.embedded.node.endpoints import ready_addresses
from bot.embedded.node.environment import ConfigError, container_environment, expand, field, service_variables
from bot.embedded.node.images import Image
from bot.embedded.node.processes import StartError
from bot.embedded.node.scheduler import obstacle
from bot.embedded.node.status import ContainerState, Snapshot, phase, pod_status

POD: Object = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web", "tier": "1"}},
    "spec": {"nodeName": "node", "containers": [{"name": "a"}, {"name": "b"}]},
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("$(A)$(B)", "1$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
    ],
)
def test_variable_references_are_expanded(text: str, result: str) -> None:
    assert expand(text, {"A": "1"}) == result


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="web"\ntier="1"'),
        ("spec.nodeName", "node"),
        ("status.podIP", "127.244.0.9"),
    ],
)
def test_field_references(path: str, value: str) -> None:
    assert field(POD, path, "10.244.0.9") == value


def test_unknown_field_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: spec\.secret"):
        field(POD, "spec.secret", "")


def test_last_variable_wins() -> None:
    config = {"kind": "ConfigMap", "data": {"A": "config", "B": "config"}}
    secret = {"kind": "Secret", "data": {"B": base64.b64encode(b"secret").decode()}}
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}, "prefix": "X_"}],
        "env": [{"name": "A", "value": "own $(X_B)"}],
    }
    objects = {("ConfigMap", "c"): config, ("Secret", "s"): secret}
    value = container_environment(POD, container, "", objects, {"B": "base", "C": "base"})
    assert value == {"A": "own secret", "B": "config", "X_B": "secret", "C": "base"}


def test_service_variables_have_loopback_addresses() -> None:
    http = {"name": "http", "port": 80}
    services = [
        {"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.3.4", "ports": [http, {"port": 5432}]}},
        {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", "ports": [http]}},
    ]
    assert service_variables(services, ServiceAddresses(shift=1, first_unprivileged_port=1024)) == {
        "MY_DB_SERVICE_HOST": "127.97.3.4",
        "MY_DB_SERVICE_PORT": "20080",
        "MY_DB_PORT": "tcp://127.97.3.4:20080",
        "MY_DB_SERVICE_PORT_HTTP": "20080",
    }
    assert ServiceAddresses(0, 0).of("10.96.3.4", 80) == ("127.96.3.4", 80)


def test_mount_and_image_paths_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "app/bin").mkdir(parents=True)
    (tmp_path / "app/run.sh").write_text("#!/bin/sh")
    (tmp_path / "app/run.sh").chmod(0o700)
    image = Image("i", tmp_path, entrypoint=("/app/run.sh",), command=("default",), working_dir="/app")
    env = {
        "PATH": "/app/bin:/usr/bin",
        "URL": "sqlite:////data/shop.db",
        "OTHER": "https://host/data/x /database",
        "PYTHONPATH": "/app:/nowhere",
    }
    container = {"args": ["--dir=/data", "/data/cache/x", "$(URL)"]}
    mounts = {"/data": Path("/host/data"), "/data/cache": Path("/host/cache")}
    made = command(container, image, env, mounts)
    assert made.argv == [
        f"{tmp_path}/app/run.sh",
        "--dir=/host/data",
        "/host/cache/x",
        "sqlite:////host/data/shop.db",
    ]
    assert made.cwd == f"{tmp_path}/app"
    assert made.env == {
        "PATH": f"{tmp_path}/app/bin:/usr/bin",
        "URL": "sqlite:////host/data/shop.db",
        "OTHER": "https://host/data/x /database",
        "PYTHONPATH": f"{tmp_path}/app:/nowhere",
    }


def test_command_replaces_the_arguments_of_the_image() -> None:
    image = Image("i", Path("/"), entrypoint=("python", "-m"), command=("shop",))
    env = {"PATH": "/usr/bin"}
    assert command({}, image, env, {}).argv == [sys.executable, "-m", "shop"]
    assert command({"args": ["x"]}, image, env, {}).argv == [sys.executable, "-m", "x"]
    assert command({"command": ["python3", "a"]}, image, env, {}).argv == [sys.executable, "a"]
    with pytest.raises(StartError, match="no command specified"):
        command({}, Image("i", Path("/")), env, {})


def running(name: str, **more: bool) -> ContainerState:
    state = ContainerState(name, "image")
    state.run("id", "digest")
    state.started = state.ready = True
    return state


def ended(name: str, code: int) -> ContainerState:
    state = running(name)
    state.end(code, "Completed" if code == 0 else "Error")
    return state


def crashing(name: str) -> ContainerState:
    state = ended(name, 1)
    state.wait("CrashLoopBackOff", "back-off")
    return state


def waiting(name: str) -> ContainerState:
    return ContainerState(name, "image")


@pytest.mark.parametrize(
    ("policy", "containers", "over", "expected"),
    [
        ("Always", [waiting("a"), waiting("b")], False, "Pending"),
        ("Always", [running("a"), waiting("b")], False, "Pending"),
        ("Always", [running("a"), running("b")], False, "Running"),
        ("Always", [running("a"), crashing("b")], False, "Running"),
        ("Always", [crashing("a"), crashing("b")], False, "Running"),
        ("Always", [ended("a", 0), ended("b", 0)], False, "Running"),
        ("Never", [ended("a", 0), running("b")], False, "Running"),
        ("Never", [ended("a", 0), ended("b", 0)], False, "Succeeded"),
        ("Never", [ended("a", 0), ended("b", 1)], False, "Failed"),
        ("OnFailure", [ended("a", 0), crashing("b")], False, "Running"),
        ("OnFailure", [ended("a", 0), ended("b", 0)], False, "Succeeded"),
        ("Always", [ended("a", 143), ended("b", 0)], True, "Failed"),
        ("Always", [ended("a", 0), ended("b", 0)], True, "Succeeded"),
    ],
)
def test_phase_follows_from_the_containers(
    policy: str, containers: list[ContainerState], over: bool, expected: str
) -> None:
    pod = {**POD, "spec": {**POD["spec"], "restartPolicy": policy}}
    assert phase(Snapshot(pod, "10.244.0.2", "now", [], containers, over)) == expected


def test_conditions_keep_their_time() -> None:
    gate = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "then"}
    old = {"type": "Ready", "status": "True", "lastTransitionTime": "earlier"}
    pod = {**POD, "status": {"conditions": [gate, old]}}
    status = pod_status(Snapshot(pod, "10.244.0.2", "now", [], [running("a"), running("b")]))
    fields = {entry["type"]: entry for entry in status["conditions"]}
    assert fields["PodScheduled"] == gate
    assert fields["Ready"]["lastTransitionTime"] == "earlier"
    status = pod_status(Snapshot(pod, "10.244.0.2", "now", [], [running("a"), crashing("b")]))
    fields = {entry["type"]: entry for entry in status["conditions"]}
    assert fields["Ready"]["message"] == "containers with unready status: [b]"
    assert fields["Ready"]["lastTransitionTime"] != "earlier"


def test_restart_is_counted() -> None:
    state = ended("a", 3)
    state.run("id2", "digest")
    status = state.status()
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert "running" in status["state"]


def test_ready_addresses_of_a_named_port() -> None:
    def end(address: str, ready: bool | None) -> Object:
        return {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}

    fields = {
        "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9}],
        "endpoints": [end("10.244.0.3", True), end("10.244.0.2", None), end("10.244.0.4", False)],
    }
    assert ready_addresses([fields], "http") == [(twin("10.244.0.2"), 8080), (twin("10.244.0.3"), 8080)]
    assert ready_addresses([fields], None) == []


def test_node_selector_prevents_scheduling() -> None:
    pod = {**POD, "spec": {**POD["spec"], "nodeSelector": {"gpu": "yes"}}}
    assert "node affinity/selector" in obstacle(pod, {"os": "linux"}, [])
    assert obstacle(pod, {"gpu": "yes"}, []) == ""
