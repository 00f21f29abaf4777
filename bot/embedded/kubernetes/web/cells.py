"""What single cells of `kubectl get` say. A cell is given the object and the time."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from typing import Any

from bot.embedded.kubernetes.objects import Object, dig, is_deleting, name_of, rows, table

Cell = Callable[[Object, float], Any]
NONE = "<none>"


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


def since(*path: str, default: str = "<unknown>") -> Cell:
    """How long ago the time at that path was."""

    def cell(obj: Object, now: float) -> str:
        stamp = dig(obj, *path)
        return duration(now - seconds_of(stamp)) if stamp else default

    return cell


def at(*path: str, default: Any = NONE) -> Cell:
    def cell(obj: Object, _: float) -> Any:
        found = dig(obj, *path)
        return default if found in (None, "") else found

    return cell


def count(*paths: tuple[str, ...]) -> Cell:
    return lambda obj, _: sum(len(dig(obj, *path) or ()) for path in paths)


def labels(*path: str) -> Cell:
    def cell(obj: Object, _: float) -> str:
        return str(joined([f"{key}={value}" for key, value in sorted(table(obj, *path).items())]))

    return cell


def each(*path: str, of: str, default: Any = NONE) -> Cell:
    """One field of each item of a list."""
    return lambda obj, _: joined([item.get(of, "") for item in rows(obj, *path)], default)


def joined(values: list[Any], default: Any = NONE) -> Any:
    return ",".join(str(value) for value in values) or default


def name(obj: Object, _: float) -> str:
    return name_of(obj)


def condition(kind: str) -> Cell:
    return lambda obj, _: _condition(obj, kind)


def _condition(obj: Object, kind: str) -> str:
    return next(
        (str(item["status"]) for item in rows(obj, "status", "conditions") if item["type"] == kind), ""
    )


def ready_replicas(obj: Object, _: float) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


def ready_containers(pod: Object, _: float) -> str:
    statuses = rows(pod, "status", "containerStatuses")
    return f"{sum(bool(item.get('ready')) for item in statuses)}/{len(rows(pod, 'spec', 'containers'))}"


def pod_status(pod: Object, _: float) -> str:
    """Waiting and terminated reasons of its containers say more than the phase."""
    if is_deleting(pod):
        return "Terminating"
    initial = rows(pod, "status", "initContainerStatuses")
    for index, item in enumerate(initial):
        reason = dig(item, "state", "waiting", "reason") or ""
        ended = dig(item, "state", "terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        if ended:
            return f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        return f"Init:{reason}" if reason not in {"", "PodInitializing"} else f"Init:{index}/{len(initial)}"
    said = dig(pod, "status", "reason") or dig(pod, "status", "phase") or "Unknown"
    for item in rows(pod, "status", "containerStatuses"):
        said = dig(item, "state", "waiting", "reason") or dig(item, "state", "terminated", "reason") or said
    return str(said)


def restarts(pod: Object, _: float) -> str:
    return str(sum(item.get("restartCount", 0) for item in rows(pod, "status", "containerStatuses")))


def service_ports(service: Object, _: float) -> str:
    found = []
    for port in rows(service, "spec", "ports"):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        found.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return str(joined(found))


def external_address(service: Object, _: float) -> str:
    if dig(service, "spec", "type") == "ExternalName":
        return str(dig(service, "spec", "externalName"))
    ingress = rows(service, "status", "loadBalancer", "ingress")
    return str(joined([item.get("ip") or item.get("hostname") for item in ingress]))


def job_status(job: Object, _: float) -> str:
    found = [kind for kind in ("Complete", "Failed", "Suspended") if _condition(job, kind) == "True"]
    return found[0] if found else "Terminating" if is_deleting(job) else "Running"


def completions(job: Object, _: float) -> str:
    return f"{dig(job, 'status', 'succeeded') or 0}/{dig(job, 'spec', 'completions') or 1}"


def job_duration(job: Object, now: float) -> str:
    start, end = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    return duration((seconds_of(end) if end else now) - seconds_of(start)) if start else ""


def node_status(node: Object, _: float) -> str:
    ready = "Ready" if _condition(node, "Ready") == "True" else "NotReady"
    return f"{ready},SchedulingDisabled" if dig(node, "spec", "unschedulable") else ready


def quota(limits: bool) -> Cell:
    """Used and hard of what a quota says of limits, or of everything else."""

    def cell(obj: Object, _: float) -> str:
        hard, used = table(obj, "spec", "hard"), table(obj, "status", "used")
        names = [key for key in sorted(hard) if key.startswith("limits.") == limits]
        return ", ".join(f"{key}: {used.get(key, 0)}/{hard[key]}" for key in names)

    return cell


def subset_addresses(obj: Object, _: float) -> str:
    found = []
    for subset in rows(obj, "subsets"):
        for address in rows(subset, "addresses"):
            found += [f"{address['ip']}:{port['port']}" for port in rows(subset, "ports")] or [address["ip"]]
    return _first(found, 3)


def slice_addresses(obj: Object, _: float) -> str:
    found = [address for item in rows(obj, "endpoints") for address in rows(item, "addresses")]
    return _first(found, 3, "<unset>")


def _first(values: list[str], most: int, default: str = NONE) -> str:
    more = f" + {len(values) - most} more..." if len(values) > most else ""
    return str(joined(values[:most], default)) + more


def hosts(ingress: Object, _: float) -> str:
    return str(joined([rule.get("host") or "*" for rule in rows(ingress, "spec", "rules")], "*"))


def ingress_ports(ingress: Object, _: float) -> str:
    return "80, 443" if rows(ingress, "spec", "tls") else "80"


def involved(event: Object, _: float) -> str:
    found = table(event, "involvedObject")
    return f"{str(found.get('kind', '')).lower()}/{found.get('name', '')}"


def subjects(kind: str) -> Cell:
    def cell(binding: Object, _: float) -> str:
        found = [item for item in rows(binding, "subjects") if item.get("kind") == kind]
        place = kind == "ServiceAccount"
        names = [f"{item.get('namespace', '')}/{item['name']}" if place else item["name"] for item in found]
        return ", ".join(names)

    return cell


def role(binding: Object, _: float) -> str:
    return f"{dig(binding, 'roleRef', 'kind')}/{dig(binding, 'roleRef', 'name')}"


def quoted_list(*path: str) -> Cell:
    """A list the way the columns of custom resources print it."""

    def cell(obj: Object, _: float) -> str | None:
        found = dig(obj, *path)
        return "[" + ",".join(f'"{value}"' for value in found) + "]" if found else None

    return cell
