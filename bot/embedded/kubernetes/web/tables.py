"""The tables that `kubectl get` prints: columns and cells of each kind."""

import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.embedded.kubernetes.objects import Object, dig, is_deleting, name_of, rows, table
from bot.embedded.kubernetes.resources import Resource

Cell = Callable[[Object, float], Any]
"""Returns a cell's value for an object and the current time."""
NONE = "<none>"


@dataclass(frozen=True)
class Column:
    name: str
    cell: Cell
    wide: bool = False
    kind: str = "string"
    format: str = ""


def seconds_of(stamp: str) -> float:
    return float(calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")))


def duration(seconds: float) -> str:
    """A time span in at most two units, as kubectl writes it."""
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


def _since(*path: str, default: str = "<unknown>") -> Cell:
    """The time since the timestamp at a path."""
    return lambda obj, now: duration(now - seconds_of(stamp)) if (stamp := dig(obj, *path)) else default


def _at(*path: str, default: Any = NONE) -> Cell:
    """The value at a path."""
    return lambda obj, _: default if (value := dig(obj, *path)) in (None, "") else value


def _count(*paths: tuple[str, ...]) -> Cell:
    return lambda obj, _: sum(len(dig(obj, *path) or ()) for path in paths)


def _labels(*path: str) -> Cell:
    return lambda obj, _: _joined([f"{key}={value}" for key, value in sorted(table(obj, *path).items())])


def _items(*path: str, of: str, default: Any = NONE) -> Cell:
    """One field of each item of a list."""
    return lambda obj, _: _joined([item.get(of, "") for item in rows(obj, *path)], default)


def _joined(values: list[Any], default: Any = NONE) -> Any:
    return ",".join(str(value) for value in values) or default


def _condition(kind: str) -> Cell:
    return lambda obj, _: _status_of(obj, kind)


def _status_of(obj: Object, kind: str) -> str:
    conditions = rows(obj, "status", "conditions")
    return next((str(item["status"]) for item in conditions if item["type"] == kind), "")


def _ready_replicas(obj: Object, _: float) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


def _ready_containers(pod: Object, _: float) -> str:
    statuses = rows(pod, "status", "containerStatuses")
    return f"{sum(bool(item.get('ready')) for item in statuses)}/{len(rows(pod, 'spec', 'containers'))}"


def _pod_status(pod: Object, _: float) -> str:
    """The reason of a waiting or terminated container, else the phase."""
    if is_deleting(pod):
        return "Terminating"
    initial = rows(pod, "status", "initContainerStatuses")
    for index, item in enumerate(initial):
        waiting, terminated = dig(item, "state", "waiting", "reason"), dig(item, "state", "terminated")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if terminated:
            return f"Init:{terminated.get('reason') or 'ExitCode:' + str(terminated.get('exitCode'))}"
        named = waiting and waiting != "PodInitializing"
        return f"Init:{waiting}" if named else f"Init:{index}/{len(initial)}"
    status = dig(pod, "status", "reason") or dig(pod, "status", "phase") or "Unknown"
    for item in rows(pod, "status", "containerStatuses"):
        reasons = [dig(item, "state", state, "reason") for state in ("waiting", "terminated")]
        status = reasons[0] or reasons[1] or status
    return str(status)


def _restarts(pod: Object, _: float) -> str:
    return str(sum(item.get("restartCount", 0) for item in rows(pod, "status", "containerStatuses")))


def _service_ports(service: Object, _: float) -> str:
    ports = rows(service, "spec", "ports")
    return str(_joined([f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports]))


def _job_status(job: Object, _: float) -> str:
    reached = [kind for kind in ("Complete", "Failed", "Suspended") if _status_of(job, kind) == "True"]
    return reached[0] if reached else "Terminating" if is_deleting(job) else "Running"


def _completions(job: Object, _: float) -> str:
    return f"{dig(job, 'status', 'succeeded') or 0}/{dig(job, 'spec', 'completions') or 1}"


def _job_duration(job: Object, now: float) -> str:
    start, end = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    return duration((seconds_of(end) if end else now) - seconds_of(start)) if start else ""


def _involved(event: Object, _: float) -> str:
    reference = table(event, "involvedObject")
    return f"{str(reference.get('kind', '')).lower()}/{reference.get('name', '')}"


def _hostnames(route: Object, _: float) -> str | None:
    names = rows(route, "spec", "hostnames")
    return "[" + ",".join(f'"{name}"' for name in names) + "]" if names else None


def _number(name: str, *path: str) -> Column:
    return Column(name, _at(*path, default=0), kind="integer")


_NAME = Column("Name", lambda obj, _: name_of(obj), format="name")
_AGE = Column("Age", _since("metadata", "creationTimestamp"))
_STATUS = Column("Status", _at("status", "phase"))
_TEMPLATE = [
    Column("Containers", _items("spec", "template", "spec", "containers", of="name"), True),
    Column("Images", _items("spec", "template", "spec", "containers", of="image"), True),
    Column("Selector", _labels("spec", "selector", "matchLabels"), True),
]
_COLUMNS: dict[str, list[Column]] = {
    "namespaces": [_STATUS, _AGE],
    "nodes": [Column("Ready", _condition("Ready")), _AGE],
    "pods": [
        Column("Ready", _ready_containers),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        _AGE,
        Column("IP", _at("status", "podIP"), True),
        Column("Node", _at("spec", "nodeName"), True),
    ],
    "services": [
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP")),
        Column("Port(s)", _service_ports),
        _AGE,
        Column("Selector", _labels("spec", "selector"), True),
    ],
    "configmaps": [Column("Data", _count(("data",), ("binaryData",)), kind="integer"), _AGE],
    "secrets": [Column("Type", _at("type")), Column("Data", _count(("data",))), _AGE],
    "persistentvolumeclaims": [
        _STATUS,
        Column("Volume", _at("spec", "volumeName", default="")),
        Column("Capacity", _at("status", "capacity", "storage", default="")),
        _AGE,
    ],
    "events": [
        Column("Last Seen", _since("lastTimestamp")),
        Column("Type", _at("type", default="")),
        Column("Reason", _at("reason", default="")),
        Column("Object", _involved),
        Column("Message", _at("message", default="")),
    ],
    "deployments": [
        Column("Ready", _ready_replicas),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        _AGE,
        *_TEMPLATE,
    ],
    "replicasets": [
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        _AGE,
        *_TEMPLATE,
    ],
    "statefulsets": [Column("Ready", _ready_replicas), _AGE, *_TEMPLATE[:2]],
    "jobs": [
        Column("Status", _job_status),
        Column("Completions", _completions),
        Column("Duration", _job_duration),
        _AGE,
        *_TEMPLATE,
    ],
    "grpcroutes": [Column("Hostnames", _hostnames), _AGE],
    "httproutes": [Column("Hostnames", _hostnames), _AGE],
}


def _columns(resource: Resource) -> list[Column]:
    columns = _COLUMNS.get(resource.plural, [_AGE])
    return columns if resource.plural == "events" else [_NAME, *columns]


def columns_of(resource: Resource) -> list[Object]:
    return [
        {
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": column.name,
            "priority": 1 if column.wide else 0,
        }
        for column in _columns(resource)
    ]


def row_of(resource: Resource, obj: Object, now: float) -> list[Any]:
    return [column.cell(obj, now) for column in _columns(resource)]
