"""Selection of warning events by object. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.health.health import pods_of
from bot.cluster.names import FIELD_MANAGER
from bot.model.manifest import Manifest

Object = Mapping[str, Any]

_MAX_LINES = 5


def newest_first(events: Sequence[Object]) -> list[Object]:
    return sorted(events, key=event_time, reverse=True)


def related_events(manifest: Manifest, pods: Sequence[Object], events: Sequence[Object]) -> str:
    """The latest events of an object, its pods and their owners (ReplicaSet `shop-5d4f` of `shop`)."""
    own = pods_of(manifest, pods)
    names = {manifest["metadata"]["name"], *(pod["metadata"]["name"] for pod in own)}
    for pod in own:
        names |= {owner["name"] for owner in pod["metadata"].get("ownerReferences") or []}
    lines: list[str] = []
    for event in events:
        line = f"{event.get('reason')}: {event.get('message')}"
        if (event.get("involvedObject") or {}).get("name") in names and line not in lines:
            lines.append(line)
    return "\n".join(reversed(lines[:_MAX_LINES]))


def admission_refusal(live: Object, events: Sequence[Object]) -> str:
    """The API server's reason for refusing the pods of the object's current revision; "" when it does not."""
    since = _applied(live)
    for event in events:
        involved = event.get("involvedObject") or {}
        message = str(event.get("message"))
        if (
            event.get("reason") == "FailedCreate"
            and involved.get("name") == live["metadata"]["name"]
            and involved.get("kind") == live.get("kind", involved.get("kind"))
            and "forbidden" in message
            and "status unknown for quota" not in message
            and event_time(event)[:19] >= since[:19]
        ):
            return message
    return ""


def _applied(live: Object) -> str:
    """The time of our last apply that changed the object, in seconds, as Kubernetes stores it."""
    metadata = live["metadata"]
    ours = [
        str(entry.get("time") or "")
        for entry in metadata.get("managedFields") or []
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    ]
    return max([str(metadata.get("creationTimestamp") or ""), *ours])


def event_time(event: Object) -> str:
    """The time of an event as Kubernetes stores it; "" when it has none."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), "")
