"""The columns that `kubectl get` prints for each kind."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.embedded.kubernetes.objects import Object, dig, is_deleting, name_of, rows, table
from bot.embedded.kubernetes.resources import Resource

Cell = Callable[[Object], Any]


@dataclass(frozen=True)
class Column:
    name: str
    cell: Cell
    wide: bool = False
    kind: str = "string"


def age(obj: Object, now: float) -> str:
    """How long ago it was created, the way kubectl writes durations."""
    created = dig(obj, "metadata", "creationTimestamp")
    return "<unknown>" if not created else duration(now - seconds_of(created))


def seconds_of(stamp: str) -> float:
    return float(calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")))


def duration(seconds: float) -> str:
    left = max(0, int(seconds))
    if left < 120:
        return f"{left}s"
    if left < 600:
        return f"{left // 60}m{left % 60}s" if left % 60 else f"{left // 60}m"
    if left < 3 * 3600:
        return f"{left // 60}m"
    if left < 8 * 3600:
        return f"{left // 3600}h{left // 60 % 60}m" if left // 60 % 60 else f"{left // 3600}h"
    if left < 48 * 3600:
        return f"{left // 3600}h"
    if left < 8 * 86400:
        return f"{left // 86400}d{left // 3600 % 24}h" if left // 3600 % 24 else f"{left // 86400}d"
    return f"{left // 86400}d" if left < 730 * 86400 else f"{left // (365 * 86400)}y"


def _at(*path: str, default: Any = "<none>") -> Cell:
    def cell(obj: Object) -> Any:
        found = dig(obj, *path)
        return default if found in (None, "") else found

    return cell


def _count(*path: str) -> Cell:
    return lambda obj: len(dig(obj, *path) or ())


def _labels(*path: str) -> Cell:
    def cell(obj: Object) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted(table(obj, *path).items())) or "<none>"

    return cell


def _joined(values: list[Any]) -> str:
    return ",".join(str(value) for value in values) or "<none>"


def _containers(*path: str) -> list[Column]:
    return [
        Column("Containers", lambda obj: _joined([each["name"] for each in rows(obj, *path)]), True),
        Column("Images", lambda obj: _joined([each.get("image", "") for each in rows(obj, *path)]), True),
    ]


_POD_SPEC = ("spec", "template", "spec", "containers")
_SELECTOR = Column("Selector", _labels("spec", "selector", "matchLabels"), True)


def _ready_pods(obj: Object) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


def _pod_ready(pod: Object) -> str:
    statuses = rows(pod, "status", "containerStatuses")
    return f"{sum(bool(each.get('ready')) for each in statuses)}/{len(rows(pod, 'spec', 'containers'))}"


def _pod_status(pod: Object) -> str:
    """Waiting and terminated reasons of its containers say more than the phase."""
    said = dig(pod, "status", "reason") or dig(pod, "status", "phase") or "Unknown"
    initial = rows(pod, "status", "initContainerStatuses")
    for index, each in enumerate(initial):
        reason = dig(each, "state", "waiting", "reason") or ""
        failed = dig(each, "state", "terminated")
        if failed and failed.get("exitCode") != 0:
            said = f"Init:{failed.get('reason') or 'ExitCode:' + str(failed['exitCode'])}"
        elif not failed:
            said = (
                f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{index}/{len(initial)}"
            )
        else:
            continue
        return "Terminating" if is_deleting(pod) else said
    for each in rows(pod, "status", "containerStatuses"):
        found = dig(each, "state", "waiting", "reason") or dig(each, "state", "terminated", "reason")
        said = found or said
    return "Terminating" if is_deleting(pod) else said


def _restarts(pod: Object) -> str:
    return str(sum(each.get("restartCount", 0) for each in rows(pod, "status", "containerStatuses")))


def _ports(service: Object) -> str:
    found = []
    for port in rows(service, "spec", "ports"):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        found.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return _joined(found)


def _external(service: Object) -> str:
    if dig(service, "spec", "type") == "ExternalName":
        return str(dig(service, "spec", "externalName"))
    found = [
        each.get("ip") or each.get("hostname") for each in rows(service, "status", "loadBalancer", "ingress")
    ]
    return _joined(found)


def _job_status(job: Object) -> str:
    for kind, said in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if _condition(job, kind) == "True":
            return said
    return "Terminating" if is_deleting(job) else "Running"


def _condition(obj: Object, kind: str) -> str:
    return next(
        (str(each["status"]) for each in rows(obj, "status", "conditions") if each["type"] == kind), ""
    )


def _job_duration(job: Object) -> str:
    start, end = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    return duration(seconds_of(end) - seconds_of(start)) if start and end else ""


def _replicas(*names: tuple[str, tuple[str, ...]]) -> list[Column]:
    return [Column(name, _at(*path, default=0), kind="integer") for name, path in names]


def _node_status(node: Object) -> str:
    ready = "Ready" if _condition(node, "Ready") == "True" else "NotReady"
    return f"{ready},SchedulingDisabled" if dig(node, "spec", "unschedulable") else ready


def _quota_cell(kind: str) -> Cell:
    def cell(quota: Object) -> str:
        hard, used = table(quota, "spec", "hard"), table(quota, "status", "used")
        wanted = {
            name: value
            for name, value in sorted(hard.items())
            if name.startswith("limits.") == (kind == "limits")
        }
        return ", ".join(f"{name}: {used.get(name, 0)}/{value}" for name, value in wanted.items())

    return cell


def _endpoint_cell(obj: Object) -> str:
    found = []
    for subset in rows(obj, "subsets"):
        for address in rows(subset, "addresses"):
            found += [f"{address['ip']}:{port['port']}" for port in rows(subset, "ports")] or [address["ip"]]
    return _joined(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")


_COLUMNS: dict[str, list[Column]] = {
    "namespaces": [Column("Status", _at("status", "phase"))],
    "nodes": [
        Column("Status", _node_status),
        Column("Roles", lambda _: "<none>"),
        Column("Version", _at("status", "nodeInfo", "kubeletVersion", default="")),
    ],
    "pods": [
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        Column("IP", _at("status", "podIP"), True),
        Column("Node", _at("spec", "nodeName"), True),
        Column("Nominated Node", _at("status", "nominatedNodeName"), True),
    ],
    "services": [
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP")),
        Column("External-IP", _external),
        Column("Port(s)", _ports),
        Column("Selector", _labels("spec", "selector"), True),
    ],
    "configmaps": [
        Column("Data", lambda obj: len(table(obj, "data")) + len(table(obj, "binaryData")), kind="integer")
    ],
    "secrets": [Column("Type", _at("type")), Column("Data", _count("data"), kind="integer")],
    "persistentvolumeclaims": [
        Column("Status", _at("status", "phase")),
        Column("Volume", _at("spec", "volumeName", default="")),
        Column("Capacity", _at("status", "capacity", "storage", default="")),
        Column("Access Modes", lambda obj: ",".join(rows(obj, "status", "accessModes"))),
        Column("StorageClass", _at("spec", "storageClassName", default="")),
    ],
    "resourcequotas": [Column("Request", _quota_cell("requests")), Column("Limit", _quota_cell("limits"))],
    "endpoints": [Column("Endpoints", _endpoint_cell)],
    "events": [
        Column("Type", _at("type", default="")),
        Column("Reason", _at("reason", default="")),
        Column(
            "Object",
            lambda o: f"{str(dig(o, 'involvedObject', 'kind')).lower()}/{dig(o, 'involvedObject', 'name')}",
        ),
        Column("Message", _at("message", default="")),
    ],
    "deployments": [
        Column("Ready", _ready_pods),
        *_replicas(
            ("Up-to-date", ("status", "updatedReplicas")), ("Available", ("status", "availableReplicas"))
        ),
    ],
    "replicasets": _replicas(
        ("Desired", ("spec", "replicas")),
        ("Current", ("status", "replicas")),
        ("Ready", ("status", "readyReplicas")),
    ),
    "statefulsets": [Column("Ready", _ready_pods)],
    "daemonsets": _replicas(
        ("Desired", ("status", "desiredNumberScheduled")),
        ("Current", ("status", "currentNumberScheduled")),
        ("Ready", ("status", "numberReady")),
    ),
    "jobs": [
        Column("Status", _job_status),
        Column(
            "Completions",
            lambda o: f"{dig(o, 'status', 'succeeded') or 0}/{dig(o, 'spec', 'completions') or 1}",
        ),
        Column("Duration", _job_duration),
    ],
    "cronjobs": [
        Column("Schedule", _at("spec", "schedule")),
        Column("Suspend", lambda o: str(dig(o, "spec", "suspend"))),
    ],
    "ingresses": [
        Column("Class", _at("spec", "ingressClassName")),
        Column("Hosts", lambda o: _joined([each.get("host", "*") for each in rows(o, "spec", "rules")])),
    ],
    "networkpolicies": [Column("Pod-Selector", _labels("spec", "podSelector", "matchLabels"))],
    "gatewayclasses": [
        Column("Controller", _at("spec", "controllerName")),
        Column("Accepted", lambda o: _condition(o, "Accepted")),
    ],
    "gateways": [
        Column("Class", _at("spec", "gatewayClassName")),
        Column("Address", lambda o: _joined([each["value"] for each in rows(o, "status", "addresses")])),
        Column("Programmed", lambda o: _condition(o, "Programmed")),
    ],
    "httproutes": [Column("Hostnames", lambda o: str(rows(o, "spec", "hostnames")).replace("'", '"'))],
}

_AFTER_AGE: dict[str, list[Column]] = {
    "deployments": [*_containers(*_POD_SPEC), _SELECTOR],
    "replicasets": [*_containers(*_POD_SPEC), _SELECTOR],
    "statefulsets": _containers(*_POD_SPEC),
    "daemonsets": [*_containers(*_POD_SPEC), _SELECTOR],
    "jobs": [*_containers(*_POD_SPEC), _SELECTOR],
}


def _definition(column: Column) -> Object:
    priority = 1 if column.wide else 0
    return {
        "name": column.name,
        "type": column.kind,
        "format": "",
        "description": column.name,
        "priority": priority,
    }


def columns_of(resource: Resource) -> list[Object]:
    name = {**_definition(Column("Name", name_of)), "format": "name"}
    middle = [_definition(each) for each in _COLUMNS.get(resource.plural, ())]
    last = [_definition(each) for each in _AFTER_AGE.get(resource.plural, ())]
    return [name, *middle, _definition(Column("Age", name_of)), *last]


def row_of(resource: Resource, obj: Object, now: float) -> list[Any]:
    middle = [each.cell(obj) for each in _COLUMNS.get(resource.plural, ())]
    last = [each.cell(obj) for each in _AFTER_AGE.get(resource.plural, ())]
    return [name_of(obj), *middle, age(obj, now), *last]
