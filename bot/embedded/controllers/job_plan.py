"""Next actions and status of a Job: pure functions of the Job, its pods and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.cluster.client.api import Object
from bot.embedded.controllers import objects

LONGEST_BACKOFF = timedelta(minutes=10)
DEFAULT_BACKOFF_LIMIT = 6

Verdict = tuple[str, str]
"""Reason and message."""

COMPLETED: Verdict = ("CompletionsReached", "Reached expected number of succeeded pods")
PAST_LIMIT: Verdict = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
PAST_DEADLINE: Verdict = ("DeadlineExceeded", "Job was active longer than specified deadline")


@dataclass(frozen=True, slots=True)
class Counts:
    """The pods of a Job in numbers. Finished pods count even after their deletion."""

    active: Sequence[Object]
    terminating: int
    ready: int
    succeeded: int
    failed: int
    restarts: int

    @classmethod
    def of(cls, job: Object, pods: Sequence[Object]) -> Counts:
        before = job.get("status") or {}
        phases = [objects.phase(pod) for pod in pods]
        active = [pod for pod in pods if objects.is_active(pod)]
        return cls(
            active,
            sum(objects.is_terminating(pod) and not objects.is_finished(pod) for pod in pods),
            sum(objects.is_ready(pod) for pod in active),
            max(before.get("succeeded", 0), phases.count("Succeeded")),
            max(before.get("failed", 0), phases.count("Failed")),
            sum(_restarts(pod) for pod in active),
        )


def _restarts(pod: Object) -> int:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return sum(container.get("restartCount", 0) for container in containers)


def is_finished(job: Object) -> bool:
    """Whether the Job is complete or has failed."""
    conditions = (objects.find_condition(job, kind) for kind in ("Complete", "Failed"))
    return any(condition and condition["status"] == "True" for condition in conditions)


def failure(job: Object, counts: Counts, now: datetime) -> Verdict | None:
    """The reason of the Job's failure; None while it may still succeed."""
    decided = objects.find_condition(job, "FailureTarget")
    if decided:
        return decided["reason"], decided.get("message", "")
    spec = job["spec"]
    limit = spec.get("backoffLimit", DEFAULT_BACKOFF_LIMIT)
    if counts.failed > limit:
        return PAST_LIMIT
    restarting = spec["template"]["spec"].get("restartPolicy") == "OnFailure"
    if restarting and counts.restarts and counts.restarts >= limit:
        return PAST_LIMIT
    left = seconds_to_deadline(job, now)
    return PAST_DEADLINE if left is not None and left <= 0 else None


def is_successful(job: Object, counts: Counts) -> bool:
    """Whether enough pods succeeded. Without `completions`, one success ends the Job with its last pod."""
    if objects.find_condition(job, "SuccessCriteriaMet"):
        return True
    completions = job["spec"].get("completions")
    if completions is None:
        return counts.succeeded > 0 and not counts.active
    return bool(counts.succeeded >= completions)


def target_active(job: Object, counts: Counts) -> int:
    """The number of pods that should run now."""
    spec = job["spec"]
    if spec.get("suspend"):
        return 0
    parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
    if completions is None:
        return len(counts.active) if counts.succeeded else int(parallelism)
    return int(max(0, min(parallelism, completions - counts.succeeded)))


def seconds_to_deadline(job: Object, now: datetime) -> float | None:
    """Seconds until `activeDeadlineSeconds` is over; None without one."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit is None or start is None or job["spec"].get("suspend"):
        return None
    return float(limit) - (now - objects.to_time(start)).total_seconds()


def seconds_to_retry(pods: Sequence[Object], now: datetime, first: float = 10.0) -> float:
    """Seconds until a failed pod is replaced: `first` after the first failure, doubled each time."""
    failed = [pod for pod in pods if objects.phase(pod) == "Failed"]
    if not failed:
        return 0.0
    pause = min(timedelta(seconds=first) * 2 ** min(len(failed) - 1, 6), LONGEST_BACKOFF)
    latest = max(_ended(pod) for pod in failed)
    return max(0.0, float((latest + pause - now).total_seconds()))


def _ended(pod: Object) -> datetime:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ends = [((status.get("state") or {}).get("terminated") or {}).get("finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=pod["metadata"]["creationTimestamp"])
    return objects.to_time(last)


def seconds_to_live(job: Object, now: datetime) -> float | None:
    """Seconds until a finished Job is deleted; None when it stays."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    condition = objects.find_condition(job, "Complete") or objects.find_condition(job, "Failed")
    if ttl is None or condition is None:
        return None
    return float(ttl) - (now - objects.to_time(condition["lastTransitionTime"])).total_seconds()


def status(job: Object, counts: Counts, failed: Verdict | None, now: datetime) -> Object:
    """The Job's status. It ends only when no pod runs any more."""
    before = job.get("status") or {}
    conditions = _suspension(job, [dict(condition) for condition in before.get("conditions") or []], now)
    suspended = bool(job["spec"].get("suspend"))
    still = not counts.active and not counts.terminating
    done = not failed and is_successful(job, counts)
    if failed:
        conditions = _end(conditions, ("FailureTarget", "Failed"), failed, still, now)
    elif done:
        conditions = _end(conditions, ("SuccessCriteriaMet", "Complete"), COMPLETED, still, now)
    result = {
        "startTime": None if suspended else before.get("startTime") or objects.from_time(now),
        "completionTime": objects.from_time(now) if done and still else None,
        "active": len(counts.active),
        "ready": counts.ready,
        "terminating": counts.terminating,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "conditions": conditions,
    }
    shown = {name: value for name, value in result.items() if value}
    return {**shown, "ready": counts.ready, "terminating": counts.terminating, "uncountedTerminatedPods": {}}


def _end(
    conditions: list[Object], kinds: tuple[str, str], verdict: Verdict, still: bool, now: datetime
) -> list[Object]:
    """First the decision, then, once nothing runs any more, the end."""
    for kind in kinds if still else kinds[:1]:
        new = {"type": kind, "status": "True", "reason": verdict[0], "message": verdict[1]}
        conditions = objects.with_condition(conditions, new, now)
    return [{"lastProbeTime": condition["lastTransitionTime"], **condition} for condition in conditions]


def _suspension(job: Object, conditions: list[Object], now: datetime) -> list[Object]:
    was_suspended = any(condition["type"] == "Suspended" for condition in conditions)
    if job["spec"].get("suspend"):
        new = {"status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    elif was_suspended:
        new = {"status": "False", "reason": "JobResumed", "message": "Job resumed"}
    else:
        return conditions
    return objects.with_condition(conditions, {"type": "Suspended", **new}, now)
