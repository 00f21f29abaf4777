"""What a StatefulSet and a Job do next, and how conditions and hashes are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.cluster.client.api import Object
from bot.embedded.controllers import job_plan, objects
from bot.embedded.controllers.job_plan import Counts
from bot.embedded.controllers.stateful_sets import Plan, next_actions, revision_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stateful(**spec: Any) -> Object:
    return {"metadata": {"name": "db"}, "spec": {"replicas": 3, "template": {"spec": {}}, **spec}}


def pod(number: int, state: str = "ready", revision: str | None = None) -> Object:
    metadata: Object = {"name": f"db-{number}", "creationTimestamp": objects.from_time(NOW)}
    metadata["labels"] = {"controller-revision-hash": revision or revision_of(stateful())}
    if state == "leaving":
        metadata["deletionTimestamp"] = objects.from_time(NOW)
    ready = {"type": "Ready", "status": "True" if state == "ready" else "False"}
    phase = state if state in ("Failed", "Succeeded") else "Running"
    return {"metadata": metadata, "status": {"phase": phase, "conditions": [ready]}}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, Plan(create=[0])),
        ({0: "starting"}, Plan()),
        ({0: "ready"}, Plan(create=[1])),
        ({0: "ready", 2: "ready"}, Plan(create=[1])),
        ({0: "ready", 1: "leaving"}, Plan()),
        ({0: "ready", 1: "Failed"}, Plan(delete=[1])),
        ({0: "ready", 1: "ready", 2: "ready"}, Plan()),
        ({0: "ready", 1: "ready", 2: "ready", 3: "ready", 4: "ready"}, Plan(delete=[4])),
        ({0: "ready", 1: "ready", 2: "ready", 3: "ready", 4: "leaving"}, Plan()),
    ],
)
def test_stateful_pods_start_in_order(states: dict[int, str], expected: Plan) -> None:
    pods = {number: pod(number, state) for number, state in states.items()}
    assert next_actions(stateful(), pods, NOW) == expected


def test_stateful_pods_start_in_parallel() -> None:
    requested = stateful(podManagementPolicy="Parallel")
    assert next_actions(requested, {1: pod(1, "starting"), 5: pod(5)}, NOW) == Plan(create=[0, 2], delete=[5])


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, Plan(delete=[2])),
        ({"rollingUpdate": {"partition": 3}}, Plan()),
        ({"type": "OnDelete"}, Plan()),
    ],
)
def test_stateful_update_begins_at_the_last_pod(strategy: Object, expected: Plan) -> None:
    pods = {number: pod(number, revision="db-old") for number in range(3)}
    assert next_actions(stateful(updateStrategy=strategy), pods, NOW) == expected


def test_stateful_update_waits_for_the_replaced_pod() -> None:
    pods = {0: pod(0, revision="db-old"), 1: pod(1, revision="db-old"), 2: pod(2, "starting")}
    assert next_actions(stateful(), pods, NOW) == Plan()


def test_pod_is_available_after_min_ready_seconds() -> None:
    requested, young = stateful(minReadySeconds=30), pod(0)
    young["status"]["conditions"][0]["lastTransitionTime"] = objects.from_time(NOW - timedelta(seconds=10))
    assert next_actions(requested, {0: young}, NOW) == Plan()
    assert next_actions(requested, {0: young}, NOW + timedelta(seconds=21)) == Plan(create=[1])


def job(status: Object | None = None, **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": spec.pop("restart", "Never")}}
    return {"metadata": {"name": "seed"}, "spec": {"template": template, **spec}, "status": status or {}}


def counts(*, active: int = 0, succeeded: int = 0, failed: int = 0, restarts: int = 0) -> Counts:
    return Counts([{}] * active, 0, 0, succeeded, failed, restarts)


@pytest.mark.parametrize(
    ("spec", "seen", "expected"),
    [
        ({}, counts(), 1),
        ({"completions": 5, "parallelism": 2}, counts(succeeded=4), 1),
        ({"completions": 5, "parallelism": 2}, counts(active=2), 2),
        ({"completions": 1}, counts(succeeded=1), 0),
        ({"parallelism": 3}, counts(active=1, succeeded=1), 1),
        ({"suspend": True}, counts(active=1), 0),
    ],
)
def test_active_pods_of_a_job(spec: Object, seen: Counts, expected: int) -> None:
    assert job_plan.target_active(job(**spec), seen) == expected


@pytest.mark.parametrize(
    ("spec", "seen", "expected"),
    [
        ({"backoffLimit": 1}, counts(failed=1), None),
        ({"backoffLimit": 1}, counts(failed=2), job_plan.PAST_LIMIT),
        ({"backoffLimit": 2, "restart": "OnFailure"}, counts(restarts=1), None),
        ({"backoffLimit": 2, "restart": "OnFailure"}, counts(restarts=2), job_plan.PAST_LIMIT),
        ({"backoffLimit": 0, "restart": "OnFailure"}, counts(restarts=1), job_plan.PAST_LIMIT),
        ({"activeDeadlineSeconds": 60}, counts(active=1), None),
        ({"activeDeadlineSeconds": 20}, counts(active=1), job_plan.PAST_DEADLINE),
    ],
)
def test_job_failure_reasons(spec: Object, seen: Counts, expected: job_plan.Verdict | None) -> None:
    started = {"startTime": objects.from_time(NOW - timedelta(seconds=30))}
    assert job_plan.failure(job(started, **spec), seen, NOW) == expected


def test_job_backoff_doubles() -> None:
    failed = pod(0, "Failed")
    assert job_plan.seconds_to_retry([], NOW) == 0
    assert job_plan.seconds_to_retry([failed], NOW) == 10
    assert job_plan.seconds_to_retry([failed] * 3, NOW) == 40
    assert job_plan.seconds_to_retry([failed] * 50, NOW) == 600
    assert job_plan.seconds_to_retry([failed], NOW + timedelta(seconds=11)) == 0


def test_job_ends_after_its_last_pod() -> None:
    decided = job_plan.status(job(), counts(active=1, failed=1), job_plan.PAST_LIMIT, NOW)
    assert [condition["type"] for condition in decided["conditions"]] == ["FailureTarget"]
    ended = job_plan.status(job(decided), counts(failed=1), job_plan.PAST_LIMIT, NOW)
    assert [condition["type"] for condition in ended["conditions"]] == ["FailureTarget", "Failed"]
    assert "completionTime" not in ended


def test_condition_time_changes_with_its_status() -> None:
    later = NOW + timedelta(minutes=1)
    first = objects.with_condition([], {"type": "A", "status": "True", "reason": "X", "message": "1"}, NOW)
    same = objects.with_condition(
        first, {"type": "A", "status": "True", "reason": "X", "message": "2"}, later
    )
    assert same == first
    reason = objects.with_condition(first, {"type": "A", "status": "True", "reason": "Y"}, later)
    assert reason[0]["lastTransitionTime"] == objects.from_time(NOW)
    status = objects.with_condition(first, {"type": "A", "status": "False", "reason": "X"}, later)
    assert status[0]["lastTransitionTime"] == objects.from_time(later)


def test_selector_text() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["web", "api"]},
        {"key": "canary", "operator": "DoesNotExist"},
        {"key": "app", "operator": "Exists"},
        {"key": "zone", "operator": "NotIn", "values": ["b"]},
    ]
    text = objects.selector_text({"matchLabels": {"app": "shop"}, "matchExpressions": expressions})
    assert text == "app=shop,tier in (web,api),!canary,app,zone notin (b)"


def test_content_hash_depends_on_the_salt() -> None:
    assert objects.content_hash({"a": 1, "b": 2}) == objects.content_hash({"b": 2, "a": 1})
    assert objects.content_hash({"a": 1}) != objects.content_hash({"a": 1}, salt=1)
    assert objects.content_hash({}).isalnum()


def test_zero_and_absent_are_equal_in_a_status() -> None:
    assert not objects.differs({"replicas": 0, "conditions": []}, {})
    assert objects.differs({"replicas": 1}, {})
