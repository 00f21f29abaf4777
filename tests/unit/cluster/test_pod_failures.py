"""Failures of pods, from statuses and events as a kubelet 1.37 reports them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.cluster.health.events import newest_first, related_events
from bot.cluster.health.fingerprint import fingerprint
from bot.cluster.health.health import Health, Surroundings, assess
from bot.model.manifest import Condition
from tests.unit.cluster.manifests import Object
from tests.unit.cluster.test_health import DEPLOYMENT, container, live, pod, rolled

READY, PROGRESSING, FAILED = Condition.READY, Condition.PROGRESSING, Condition.FAILED
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
POD = "web-64c8-x"
_DIGEST = "sha256:" + "1a2b" * 16


def at(seconds: float) -> str:
    """A time relative to now, as Kubernetes writes it."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(reason: str, message: str, seconds: float = -5, *, name: str = POD, **more: Any) -> Object:
    """`first`: when it occurred first; `kind`, `uid`, `container` and `type` of the event."""
    involved = {"kind": more.get("kind", "Pod"), "name": name, "uid": more.get("uid", "u1")}
    if involved["kind"] == "Pod" and reason in ("Unhealthy", "Killing", "Failed", "BackOff"):
        involved["fieldPath"] = f"spec.containers{{{more.get('container', 'shop')}}}"
    return {
        "type": more.get("type", "Warning"),
        "reason": reason,
        "message": message,
        "firstTimestamp": at(more.get("first", seconds)),
        "lastTimestamp": at(seconds),
        "involvedObject": involved,
    }


def web(*statuses: Object, **status: Any) -> Object:
    made = pod(DEPLOYMENT, *statuses, name=POD, **status)
    made["metadata"]["uid"] = "u1"
    made["spec"] = {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "tmp"}]
    }
    return made


def health(made: Object, *events: Object, **status: Any) -> Health:
    deployment = live(DEPLOYMENT, rolled(availableReplicas=1, **status))
    return assess(DEPLOYMENT, deployment, Surroundings([made], newest_first(events), NOW))


STARTING = container(waiting={"reason": "ContainerCreating"})
RUNNING = container(running={"startedAt": at(-40)})
UNHEALTHY = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500")
LATE = {
    "conditions": [
        {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": 'ReplicaSet "web-64c8" has timed out progressing.',
        }
    ]
}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu.",
        }
    ],
}


@pytest.mark.parametrize(
    ("made", "events", "words", "blocked"),
    [
        pytest.param(web(**UNSCHEDULABLE), [], "1 Insufficient cpu", True, id="capacity"),
        pytest.param(
            web(**UNSCHEDULABLE),
            [
                event(
                    "ProvisioningFailed",
                    'storageclass.storage.k8s.io "fast" not found',
                    kind="PersistentVolumeClaim",
                    name="data",
                    uid="c1",
                )
            ],
            'claim "data": storageclass.storage.k8s.io "fast" not found',
            True,
            id="storage class",
        ),
        pytest.param(
            web(**UNSCHEDULABLE),
            [
                event(
                    "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set",
                    kind="PersistentVolumeClaim",
                    name="data",
                    type="Normal",
                )
            ],
            "no storage class is set",
            True,
            id="no default storage class",
        ),
        pytest.param(
            web(STARTING, phase="Pending"),
            [event("FailedMount", 'MountVolume.SetUp failed for volume "cfg" : configmap "cfg" not found')],
            'cannot start: MountVolume.SetUp failed for volume "cfg" : configmap "cfg" not found',
            True,
            id="mount",
        ),
        pytest.param(
            web(STARTING, phase="Pending"),
            [
                event(
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network "
                    f"for sandbox {'0123456789ab' * 5}: no route",
                )
            ],
            "failed to setup network for sandbox …: no route",
            True,
            id="sandbox",
        ),
        pytest.param(
            web(STARTING, phase="Pending"),
            [event("FailedMount", "of an earlier pod", uid="u0")],
            "1 of 2 pods are ready",
            False,
            id="events of an earlier pod of the same name",
        ),
        pytest.param(
            web(RUNNING), [event("FailedMount", "timed out")], "1 of 2 pods are ready", False, id="passed"
        ),
        pytest.param(
            web(RUNNING),
            [UNHEALTHY],
            'container "shop" is not ready: Readiness probe failed: HTTP probe failed with statuscode: 500',
            False,
            id="probe",
        ),
        pytest.param(
            web(RUNNING),
            [event("Unhealthy", "Readiness probe failed: of the sidecar", container="proxy")],
            "1 of 2 pods are ready",
            False,
            id="probe of another container",
        ),
    ],
)
def test_pending_pod_shows_what_blocks_it(
    made: Object, events: list[Object], words: str, blocked: bool
) -> None:
    waiting = health(made, *events)
    assert (waiting.condition, waiting.blocked) == (PROGRESSING, blocked)
    assert words in waiting.message
    late = health(made, *events, **LATE)
    assert late.condition is FAILED
    expected = 'ReplicaSet "web-64c8" has timed out' if words == "1 of 2 pods are ready" else words
    assert expected in late.message, "the deadline hides no better reason"


PULL = f'failed to resolve reference "ghcr.io/acme/shop@{_DIGEST}": not found'
IMAGE = f"ghcr.io/acme/shop@{_DIGEST}"
_FAILED = event("Failed", f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = {PULL}')


@pytest.mark.parametrize(
    ("reason", "message", "events"),
    [
        ("ErrImagePull", PULL, []),
        ("ErrImagePull", f"rpc error: code = NotFound desc = {PULL}", [_FAILED]),
        ("ImagePullBackOff", f'Back-off pulling image "{IMAGE}": ErrImagePull: {PULL}', []),
        (
            "ImagePullBackOff",
            f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = {PULL}',
            [],
        ),
        # Before Kubernetes 1.32 the status has no cause while the kubelet backs off.
        (
            "ImagePullBackOff",
            f'Back-off pulling image "{IMAGE}"',
            [event("Failed", "Error: ImagePullBackOff"), _FAILED],
        ),
    ],
)
def test_failed_pull_is_one_stable_sentence(reason: str, message: str, events: list[Object]) -> None:
    made = web(container(waiting={"reason": reason, "message": message}))
    assert health(made, *events).message == f'the image of container "shop" cannot be pulled: {PULL}'
    waiting = {**made, "kind": "Pod"}
    other = {**web(container(waiting={"reason": "ErrImagePull", "message": "x"})), "kind": "Pod"}
    assert not fingerprint(waiting).is_news(fingerprint(other)), "no reconcile for each retry"


def _ended(code: int = 0, reason: str = "Completed", seconds: float = 30, **more: Any) -> Object:
    """The previous run, which took `seconds` and ended ten seconds ago."""
    return {"exitCode": code, "reason": reason, "startedAt": at(-10 - seconds), "finishedAt": at(-10), **more}


KILLED = event("Killing", "Container shop failed liveness probe, will be restarted", -15, type="Normal")
REFUSED = event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503", -16)


@pytest.mark.parametrize(
    ("last", "events", "words"),
    [
        (
            _ended(),
            [KILLED, REFUSED],
            "killed by its liveness probe (Liveness probe failed: HTTP probe failed with statuscode: 503)",
        ),
        (_ended(137, "Error"), [KILLED], "killed by its liveness probe"),
        (
            _ended(),
            [event("Killing", "Container shop failed startup probe, will be restarted", type="Normal")],
            "killed by its startup probe",
        ),
        (_ended(), [event("Killing", KILLED["message"], -3600, type="Normal")], "exit code 0"),
        (_ended(), [event("Killing", KILLED["message"], container="proxy")], "exit code 0"),
        (_ended(137, "OOMKilled"), [KILLED], "it exceeded its memory limit"),
        (
            _ended(128, "StartError", message='exec: "shop": executable file not found in $PATH'),
            [],
            'it cannot start: exec: "shop": executable file not found in $PATH',
        ),
    ],
)
def test_end_of_a_container_names_its_cause(last: Object, events: list[Object], words: str) -> None:
    looping = web(container(2, last=last, waiting={"reason": "CrashLoopBackOff"}))
    assert health(looping, *events).message == (
        f'container "shop" is crash-looping: {words}, restarted 2 times'
    )
    once = health(web(container(1, last=last, running={"startedAt": at(-1)})), *events)
    assert (once.condition, words in once.message) == (PROGRESSING, True)


@pytest.mark.parametrize(
    ("ran", "runs", "expected"),
    [
        pytest.param(30, 1, FAILED, id="ready until the next kill"),
        pytest.param(30, 39, FAILED, id="hardly longer than before"),
        pytest.param(30, 41, READY, id="longer than before"),
        pytest.param(2, 13, READY, id="crashed while it waited for its database"),
        pytest.param(900, 1, READY, id="a crash after a long run"),
    ],
)
def test_ready_container_recovers_when_it_runs_longer_than_before(
    ran: float, runs: float, expected: Condition
) -> None:
    last = {"exitCode": 0, "startedAt": at(-runs - ran), "finishedAt": at(-runs)}
    made = web(container(4, last=last, ready=True, running={"startedAt": at(-runs)}))
    steady = assess(DEPLOYMENT, live(DEPLOYMENT, rolled()), Surroundings([made], (), NOW))
    assert steady.condition is expected
    assert steady.recovers_at == (NOW + timedelta(seconds=ran + 10 - runs) if expected is FAILED else None)


def test_repeated_events_do_not_change_the_quoted_ones() -> None:
    first = [event("Failed", "a", -9, first=-9), event("FailedMount", "b", -8, first=-8)]
    later = [event("Failed", "a", -1, first=-9), event("FailedMount", "b", -2, first=-8)]
    quoted = {related_events(DEPLOYMENT, [web()], newest_first(events)) for events in (first, later)}
    assert quoted == {"Failed: a\nFailedMount: b"}


def test_exceeded_memory_limit_is_named() -> None:
    last = _ended(137, "OOMKilled")
    made = web(container(2, last=last, waiting={"reason": "CrashLoopBackOff"}))
    limit = {"limits": {"memory": "64Mi"}}
    made["spec"]["containers"] = [{"name": "other"}, {"name": "shop", "resources": limit}]
    assert "it exceeded its memory limit of 64Mi, restarted 2 times" in health(made).message


@pytest.mark.parametrize(
    ("reason", "message", "condition"),
    [
        (
            "CreateContainerConfigError",
            "failed to sync configmap cache: timed out waiting for the condition",
            PROGRESSING,
        ),
        (
            "CreateContainerError",
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            PROGRESSING,
        ),
        (
            "CreateContainerError",
            'failed to reserve container name "shop_web_1": name "shop_web_1" is reserved for "3f2a"',
            PROGRESSING,
        ),
        ("CreateContainerConfigError", 'configmap "settings" not found', FAILED),
        ("CreateContainerError", 'exec: "shop": executable file not found in $PATH', FAILED),
    ],
)
def test_error_that_the_kubelet_retries_with_success_is_no_failure(
    reason: str, message: str, condition: Condition
) -> None:
    made = web(container(waiting={"reason": reason, "message": message}))
    assert health(made).condition is condition
