"""Checks of the kinds that make pods."""

from collections.abc import Iterator
from typing import Any

from bot.embedded.kubernetes.errors import Cause, forbidden_field, required, unsupported, wrong
from bot.embedded.kubernetes.objects import Object, dig, name_of, rows, table
from bot.embedded.kubernetes.storage.selectors import selects
from bot.embedded.kubernetes.validation.names import check_labels
from bot.embedded.kubernetes.validation.pods import check_pod_spec

_IMMUTABLE = "field is immutable"
_STATEFUL_SET_FIELDS = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_SCHEDULING = frozenset({"nodeSelector", "affinity", "tolerations", "schedulingGates"})
_CHANGEABLE = frozenset(
    [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "minReadySeconds",
        "persistentVolumeClaimRetentionPolicy",
    ]
)


def check_workload(obj: Object) -> Iterator[Cause]:
    spec = obj["spec"]
    selector, template = spec.get("selector"), spec["template"]
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield wrong("spec.selector", selector, f"empty selector is invalid for {_noun(obj)}")
    labels = table(template, "metadata", "labels")
    yield from check_labels(labels, "spec.template.metadata.labels")
    if not selects(selector, labels):
        yield wrong(
            "spec.template.metadata.labels", labels or None, "`selector` does not match template `labels`"
        )
    yield from _not_negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    claims = [dig(claim, "metadata", "name") for claim in rows(spec, "volumeClaimTemplates")]
    yield from check_pod_spec(template["spec"], "spec.template.spec", claims)
    policy = template["spec"].get("restartPolicy")
    if policy in {"Never", "OnFailure"}:
        yield unsupported("spec.template.spec.restartPolicy", policy, ["Always"])
    if obj["kind"] == "Deployment" and dig(spec, "strategy", "type") not in {"Recreate", "RollingUpdate"}:
        shown = {"Type": spec["strategy"]["type"], "RollingUpdate": spec["strategy"].get("rollingUpdate")}
        yield unsupported("spec.strategy", shown, ["Recreate", "RollingUpdate"])
    if dig(spec, "strategy", "type") == "Recreate" and dig(spec, "strategy", "rollingUpdate") is not None:
        words = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden_field("spec.strategy.rollingUpdate", words)


def _noun(obj: Object) -> str:
    return "deployment" if obj["kind"] == "Deployment" else str(obj["kind"]).lower()


def _not_negative(spec: Object, *names: str) -> Iterator[Cause]:
    for name in names:
        if isinstance(spec.get(name), int) and spec[name] < 0:
            yield wrong(f"spec.{name}", spec[name], "must be greater than or equal to 0")


def check_job(job: Object) -> Iterator[Cause]:
    yield from _check_job_spec(job["spec"])


def _check_job_spec(spec: Object, path: str = "spec") -> Iterator[Cause]:
    for name in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        if isinstance(spec.get(name), int) and spec[name] < 0:
            yield wrong(f"{path}.{name}", spec[name], "must be greater than or equal to 0")
    template = spec["template"]["spec"]
    yield from check_pod_spec(template, f"{path}.template.spec")
    if template.get("restartPolicy") == "Always":
        yield unsupported_restart(f"{path}.template.spec.restartPolicy")


def unsupported_restart(path: str) -> Cause:
    words = 'Required value: valid values: "OnFailure", "Never"'
    return Cause("FieldValueRequired", words, path)


def check_cron_job(obj: Object) -> Iterator[Cause]:
    spec = obj["spec"]
    if not spec.get("schedule"):
        yield required("spec.schedule")
    elif len(str(spec["schedule"]).split()) != 5 and not str(spec["schedule"]).startswith("@"):
        value = len(str(spec["schedule"]).split())
        yield wrong(
            "spec.schedule", spec["schedule"], f"expected exactly 5 fields, found {value}: {_fields(spec)}"
        )
    policies = ["Allow", "Forbid", "Replace"]
    if spec["concurrencyPolicy"] not in policies:
        yield unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies)
    if len(name_of(obj)) > 52:
        yield wrong("metadata.name", name_of(obj), "must be no more than 52 characters")
    yield from _check_job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _fields(spec: Object) -> str:
    return "[" + " ".join(str(spec["schedule"]).split()) + "]"


def check_replica_counts(obj: Object) -> Iterator[Cause]:
    """The counts in the status of a Deployment or ReplicaSet."""
    status = table(obj, "status")
    total, ready = status.get("replicas", 0), status.get("readyReplicas", 0)
    for name in ("updatedReplicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if status.get(name, 0) > total:
            yield wrong(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas")
    if (available := status.get("availableReplicas", 0)) > ready:
        yield wrong("status.availableReplicas", available, "cannot be greater than readyReplicas")


def check_selector_change(live: Object, new: Object) -> Iterator[Cause]:
    yield from _unchanged(live, new, "selector")


def _unchanged(live: Object, new: Object, *names: str) -> Iterator[Cause]:
    for name in names:
        before, after = _value(live, name), _value(new, name)
        if before != after:
            yield wrong(f"spec.{name}", after, _IMMUTABLE)


def _value(obj: Object, name: str) -> Any:
    return table(obj, "spec").get(name)


def check_stateful_set_change(live: Object, new: Object) -> Iterator[Cause]:
    if causes := list(_unchanged(live, new, "serviceName", "selector")):
        yield from causes
        return
    before = {name: value for name, value in live["spec"].items() if name not in _CHANGEABLE}
    after = {name: value for name, value in new["spec"].items() if name not in _CHANGEABLE}
    if before != after:
        yield forbidden_field("spec", _STATEFUL_SET_FIELDS)


def check_job_change(live: Object, new: Object) -> Iterator[Cause]:
    yield from _unchanged(live, new, "completions", "selector", "completionMode", "podFailurePolicy")
    suspended = dig(live, "spec", "suspend") and not dig(live, "status", "startTime")
    if not suspended:
        yield from _unchanged(live, new, "template")
    elif _fixed(live) != _fixed(new):
        yield wrong("spec.template.spec", dig(new, "spec", "template", "spec"), _IMMUTABLE)


def _fixed(job: Object) -> Object:
    """The immutable part of a suspended job's pod template: all but scheduling and resources."""
    spec = {name: value for name, value in job["spec"]["template"]["spec"].items() if name not in _SCHEDULING}
    spec["containers"] = [{**container, "resources": {}} for container in rows(spec, "containers")]
    return spec
