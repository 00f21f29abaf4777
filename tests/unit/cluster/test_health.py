"""Health of objects, derived from their live state."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.health.events import admission_refusal, newest_first, related_events
from bot.cluster.health.fingerprint import Fingerprint, fingerprint, initial_fingerprint
from bot.cluster.health.health import Health, Surroundings, assess
from bot.cluster.health.observe import printable
from bot.cluster.pod_failures import ContainerLog
from bot.model.manifest import Condition, Manifest, Wave
from tests.unit.cluster.manifests import (
    POLICY,
    Object,
    deployment,
    job,
    render,
    request,
    service,
    stateful_set,
)

READY, PROGRESSING, FAILED = Condition.READY, Condition.PROGRESSING, Condition.FAILED
BUNDLE = render(request(deployment(), service(), stateful_set(), service("db"), seed=job()), POLICY)
DEPLOYMENT, _ = BUNDLE.waves[Wave.WORKLOADS]
_, STATEFUL_SET = BUNDLE.waves[Wave.DATA]
[SEED] = BUNDLE.waves[Wave.SEED]
[ROUTE] = BUNDLE.waves[Wave.ROUTE]


def live(manifest: Manifest, status: Object, generation: int = 3) -> Object:
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "generation": generation, "uid": "u"},
        "status": status,
    }


def rolled(**status: object) -> Object:
    done = {
        "observedGeneration": 3,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
        "readyReplicas": 2,
    }
    return {**done, **status}


def pod(manifest: Manifest, *statuses: Object, name: str = "shop-5d4f-x", **status: object) -> Object:
    annotations = manifest["spec"]["template"]["metadata"]["annotations"]
    owner = {"kind": "ReplicaSet", "name": "shop-5d4f"}
    return {
        "metadata": {"name": name, "annotations": annotations, "ownerReferences": [owner]},
        "status": {"phase": "Running", "containerStatuses": list(statuses), **status},
    }


def container(restarts: int = 0, *, last: Object | None = None, ready: bool = False, **state: Any) -> Object:
    return {
        "name": "shop",
        "ready": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        ({}, PROGRESSING, "waiting for its controller"),
        (rolled(), READY, ""),
        (rolled(observedGeneration=2), PROGRESSING, "waiting for its controller"),
        (rolled(updatedReplicas=1), PROGRESSING, "1 of 2 pods are ready"),
        (rolled(availableReplicas=0), PROGRESSING, "0 of 2 pods are ready"),
        (rolled(replicas=3), PROGRESSING, "previous release"),
        (
            rolled(conditions=[condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]),
            FAILED,
            "exceeded quota",
        ),
        (
            rolled(
                updatedReplicas=0,
                conditions=[
                    condition("ReplicaFailure", "True", "FailedCreate", "status unknown for quota: x")
                ],
            ),
            PROGRESSING,
            "0 of 2",
        ),
        (
            rolled(
                updatedReplicas=1,
                conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded", "late")],
            ),
            FAILED,
            "late",
        ),
    ],
)
def test_deployment_is_ready_after_its_rollout(status: Object, expected: Condition, words: str):
    health = assess(DEPLOYMENT, live(DEPLOYMENT, status), Surroundings())
    assert health.condition is expected
    assert words in health.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (rolled(currentRevision="a", updateRevision="a"), READY),
        (rolled(currentRevision="a", updateRevision="b", updatedReplicas=0), PROGRESSING),
        (rolled(currentRevision="a", updateRevision="a", readyReplicas=1), PROGRESSING),
        ({"observedGeneration": 3}, PROGRESSING),
    ],
)
def test_stateful_set_is_ready_at_its_newest_revision(status: Object, expected: Condition):
    assert assess(STATEFUL_SET, live(STATEFUL_SET, status), Surroundings()).condition is expected


def test_absent_or_terminating_object_is_progressing():
    assert assess(DEPLOYMENT, None, Surroundings()).condition is PROGRESSING
    leaving = live(DEPLOYMENT, rolled())
    leaving["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert assess(DEPLOYMENT, leaving, Surroundings()).condition is PROGRESSING


def test_kind_without_status_is_ready_at_once():
    assert assess(service(), None, Surroundings()).condition is READY


CRASHED = {"exitCode": 1, "reason": "Error"}


@pytest.mark.parametrize(
    ("status", "words", "suspect"),
    [
        (
            container(2, last=CRASHED, waiting={"reason": "CrashLoopBackOff", "message": "back-off 20s"}),
            'container "shop" is crash-looping: exit code 1, restarted 2 times',
            ContainerLog("shop-5d4f-x", "shop", previous=True),
        ),
        (
            container(3, terminated=CRASHED),
            "exit code 1, restarted 3 times",
            ContainerLog("shop-5d4f-x", "shop", previous=False),
        ),
        (
            container(2, last={"exitCode": 137, "reason": "OOMKilled"}, running={}),
            "exceeded its memory limit",
            ContainerLog("shop-5d4f-x", "shop", previous=True),
        ),
        (
            container(waiting={"reason": "ImagePullBackOff", "message": "not found"}),
            "cannot be pulled: not found",
            None,
        ),
        (container(waiting={"reason": "ErrImagePull"}), "cannot be pulled", None),
        (container(waiting={"reason": "InvalidImageName"}), "cannot be pulled", None),
        (
            container(waiting={"reason": "CreateContainerConfigError", "message": 'configmap "x" not found'}),
            'configmap "x" not found',
            None,
        ),
    ],
)
def test_failing_pods_fail_at_once_with_their_reason(
    status: Object, words: str, suspect: ContainerLog | None
):
    progressing = live(DEPLOYMENT, rolled(updatedReplicas=1))
    health = assess(DEPLOYMENT, progressing, Surroundings([pod(DEPLOYMENT, status)]))
    assert (health.condition, health.log) == (FAILED, suspect)
    assert words in health.message


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (container(1, last=CRASHED, waiting={"reason": "CrashLoopBackOff"}), "restarted once"),
        (container(waiting={"reason": "ContainerCreating"}), "1 of 2 pods are ready"),
        (container(5, last=CRASHED, ready=True, running={}), "1 of 2 pods are ready"),
    ],
)
def test_first_restart_is_not_a_failure(status: Object, words: str):
    health = assess(
        DEPLOYMENT, live(DEPLOYMENT, rolled(updatedReplicas=1)), Surroundings([pod(DEPLOYMENT, status)])
    )
    assert health.condition is PROGRESSING
    assert words in health.message


def test_unschedulable_pod_is_progressing_with_reason():
    placed = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes: Insufficient cpu.")
    health = assess(
        DEPLOYMENT,
        live(DEPLOYMENT, rolled(updatedReplicas=1)),
        Surroundings([pod(DEPLOYMENT, conditions=[placed])]),
    )
    assert health.condition is PROGRESSING
    assert "Insufficient cpu" in health.message


def test_crashes_of_the_previous_release_are_ignored():
    before = render(request(deployment(terminationGracePeriodSeconds=1), service()), POLICY)
    old = pod(
        before.waves[Wave.WORKLOADS][0], container(9, last=CRASHED, waiting={"reason": "CrashLoopBackOff"})
    )
    assert (
        assess(DEPLOYMENT, live(DEPLOYMENT, rolled(updatedReplicas=1)), Surroundings([old])).condition
        is PROGRESSING
    )


def seed(status: Object, *pods: Object) -> Health:
    return assess(SEED, live(SEED, status), Surroundings(pods))


def test_job_health_follows_its_conditions():
    assert seed({"conditions": [condition("Complete", "True")]}).condition is READY
    assert seed({"active": 1}).condition is PROGRESSING
    ended = pod(SEED, container(terminated={"exitCode": 3}), name="seed-x", phase="Failed")
    health = seed({"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "limit")]}, ended)
    assert health.condition is FAILED
    assert health.message == "exit code 3"
    assert health.log == ContainerLog("seed-x", "shop", previous=False)
    late = seed({"conditions": [condition("Failed", "True", "DeadlineExceeded", "long")]})
    assert (late.condition, late.message) == (FAILED, "it timed out")


def test_job_with_missing_image_fails_before_its_deadline():
    stuck = pod(SEED, container(waiting={"reason": "ImagePullBackOff", "message": "manifest unknown"}))
    assert seed({"active": 1}, stuck).condition is FAILED


def parents(*conditions: Object, name: str = "main") -> Object:
    return {
        "parents": [{"parentRef": {"namespace": "gateways", "name": name}, "conditions": list(conditions)}]
    }


ACCEPTED = condition("Accepted", "True")


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        ({}, PROGRESSING, "waiting for its gateway"),
        (
            parents(ACCEPTED, condition("ResolvedRefs", "True"), name="other"),
            PROGRESSING,
            "waiting for its gateway",
        ),
        (parents(ACCEPTED, condition("ResolvedRefs", "True")), READY, ""),
        (parents(ACCEPTED), PROGRESSING, "waiting for its gateway"),
        (
            parents({**ACCEPTED, "observedGeneration": 2}, condition("ResolvedRefs", "True")),
            PROGRESSING,
            "waiting for its gateway",
        ),
        (
            parents(ACCEPTED, condition("ResolvedRefs", "False", "BackendNotFound", "no shop")),
            PROGRESSING,
            "no shop",
        ),
        (parents(condition("Accepted", "False", "NotAllowedByListeners", "closed")), FAILED, "closed"),
    ],
)
def test_route_is_ready_when_our_gateway_accepts_it(status: Object, expected: Condition, words: str):
    health = assess(ROUTE, live(ROUTE, status), Surroundings())
    assert health.condition is expected
    assert words in health.message


def event(
    name: str, message: str, at: str, reason: str = "FailedCreate", kind: str = "StatefulSet"
) -> Object:
    return {
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "involvedObject": {"kind": kind, "name": name},
    }


def test_related_events_cover_object_pods_and_owners():
    events = newest_first(
        [
            event("shop", "first", "2030-01-01T00:00:01Z", "Scaled", "Deployment"),
            event("shop-5d4f", "second", "2030-01-01T00:00:02Z", "Failed", "ReplicaSet"),
            event("shop-5d4f-x", "third", "2030-01-01T00:00:03Z", "Unhealthy", "Pod"),
            event("db", "another's", "2030-01-01T00:00:04Z"),
        ]
    )
    lines = related_events(DEPLOYMENT, [pod(DEPLOYMENT)], events)
    assert lines == "Scaled: first\nFailed: second\nUnhealthy: third"


def test_admission_refusal_ignores_events_before_the_apply():
    applied = live(STATEFUL_SET, {})
    applied["metadata"]["managedFields"] = [
        {"manager": "greenroom", "operation": "Apply", "time": "2030-01-01T00:00:05Z"}
    ]
    words = 'pods "db-0" is forbidden: violates PodSecurity'
    assert admission_refusal(applied, [event("db", words, "2030-01-01T00:00:05Z")]) == words
    assert admission_refusal(applied, [event("db", words, "2030-01-01T00:00:04Z")]) == ""
    assert (
        admission_refusal(
            applied, [event("db", "forbidden: status unknown for quota", "2030-01-01T00:00:09Z")]
        )
        == ""
    )


def test_printable_removes_controls_and_truncates():
    assert printable("\x1b[31mred\x1b[0m\r\nnext\x00\tok\n") == "red\nnext\tok"
    assert printable("x" * 9000 + "end").endswith("end")
    assert len(printable("x" * 9000)) == 4000


def test_fingerprint_changes_only_with_relevant_status():
    quiet = rolled(conditions=[{**ACCEPTED, "lastUpdateTime": "1", "message": "a"}])
    noisy = rolled(conditions=[{**ACCEPTED, "lastUpdateTime": "2", "message": "b"}])
    assert of_deployment(quiet) == of_deployment(noisy)
    assert of_deployment(rolled(availableReplicas=0)) == of_deployment(rolled(availableReplicas=1))
    assert of_deployment(quiet).is_news(of_deployment(rolled(availableReplicas=1)))
    assert of_deployment(rolled(availableReplicas=1)).is_news(of_deployment(quiet))


def test_fingerprint_of_a_new_spec_is_news_once_it_is_complete():
    before = of_deployment(rolled())
    applied = of_deployment(rolled(), generation=4)
    assert not applied.is_news(before)
    assert of_deployment(rolled(observedGeneration=4), generation=4).is_news(before)
    created = of_deployment({}, generation=1)
    assert not created.is_news(initial_fingerprint("Deployment"))
    assert before.is_news(initial_fingerprint("Deployment"))


def test_fingerprint_of_a_pod_changes_with_restarts():
    starting = of_pod(container(waiting={"reason": "ContainerCreating"}))
    assert starting == of_pod(container(running={}))
    assert starting == of_pod(container(ready=True, running={}), conditions=[condition("Ready", "True")])
    assert starting != of_pod(container(1, waiting={"reason": "CrashLoopBackOff"}))
    assert not starting.is_news(initial_fingerprint("Pod"))


def test_fingerprint_of_a_pod_without_controller_changes_with_readiness():
    ready = fingerprint(
        {"kind": "Pod", "metadata": {}, "status": {"conditions": [condition("Ready", "True")]}}
    )
    assert ready.is_news(initial_fingerprint("Pod"))


def of_deployment(status: Object, generation: int = 3) -> Fingerprint:
    return fingerprint({**live(DEPLOYMENT, status, generation), "kind": "Deployment"})


def of_pod(*statuses: Object, **more: Any) -> Fingerprint:
    return fingerprint({"kind": "Pod", **pod(DEPLOYMENT, *statuses, **more)})


def attempt(name: str, created: str, **status: Any) -> Object:
    of_job = pod(
        SEED, container(**status), name=name, phase="Failed" if "terminated" in status else "Running"
    )
    of_job["metadata"]["creationTimestamp"] = created
    return of_job


FIRST = attempt("seed-a", "2026-01-01T00:00:00Z", terminated={"exitCode": 3})
SECOND = attempt("seed-b", "2026-01-01T00:00:10Z", terminated={"exitCode": 4})
FAILED_JOB = condition("Failed", "True", "BackoffLimitExceeded", "limit")
LATE_JOB = condition("Failed", "True", "DeadlineExceeded", "long")


@pytest.mark.parametrize(
    ("status", "pods", "expected"),
    [
        ({"active": 1}, [], (PROGRESSING, "waiting for its pod", 1)),
        ({"failed": 1}, [FIRST], (PROGRESSING, "waiting for its pod, attempt 2 after exit code 3", 1)),
        (
            {"failed": 1, "active": 1},
            [FIRST, attempt("seed-b", "2026-01-01T00:00:10Z", running={})],
            (PROGRESSING, "it is running, attempt 2 after exit code 3", 1),
        ),
        ({"failed": 2, "conditions": [FAILED_JOB]}, [FIRST, SECOND], (FAILED, "exit code 4", 2)),
        ({"failed": 2, "conditions": [FAILED_JOB]}, [SECOND, FIRST], (FAILED, "exit code 4", 2)),
        (
            {"failed": 2, "conditions": [LATE_JOB]},
            [FIRST],
            (FAILED, "it timed out after exit code 3 in an earlier attempt", 2),
        ),
        (
            {"failed": 1, "conditions": [LATE_JOB]},
            [pod(SEED, phase="Failed", reason="DeadlineExceeded")],
            (FAILED, "it timed out", 1),
        ),
        ({"failed": 1, "conditions": [condition("Complete", "True")]}, [FIRST], (READY, "", 2)),
    ],
)
def test_job_health_counts_attempts(
    status: Object, pods: list[Object], expected: tuple[Condition, str, int]
) -> None:
    health = seed(status, *pods)
    assert (health.condition, health.message, health.attempts) == expected


def test_failed_job_shows_the_log_of_its_last_attempt() -> None:
    health = seed({"failed": 2, "conditions": [FAILED_JOB]}, SECOND, FIRST)
    assert health.log == ContainerLog("seed-b", "shop", previous=False)
