"""What warning events say of objects: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.health.health import pods_of
from bot.cluster.names import FIELD_MANAGER
from bot.model.manifest import Manifest

Object = Mapping[str, Any]

_TOLD = 5


def newest_first(events: Sequence[Object]) -> list[Object]:
    return sorted(events, key=event_time, reverse=True)


def related_events(manifest: Manifest, pods: Sequence[Object], events: Sequence[Object]) -> str:
    """The latest of an object, its pods, and what stands between them (`shop-5d4f` of `shop`)."""
    own = pods_of(manifest, pods)
    names = {manifest["metadata"]["name"], *(pod["metadata"]["name"] for pod in own)}
    for pod in own:
        names |= {owner["name"] for owner in pod["metadata"].get("ownerReferences") or []}
    told: list[str] = []
    for event in events:
        line = f"{event.get('reason')}: {event.get('message')}"
        if (event.get("involvedObject") or {}).get("name") in names and line not in told:
            told.append(line)
    return "\n".join(reversed(told[:_TOLD]))


def admission_refusal(live: Object, events: Sequence[Object]) -> str:
    """Why the API server refuses the pods of an object as it is now; "" when it does not."""
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
    """When our last apply changed the object; to the second, as Kubernetes notes it."""
    metadata = live["metadata"]
    ours = [
        str(each.get("time") or "")
        for each in metadata.get("managedFields") or []
        if each.get("manager") == FIELD_MANAGER and each.get("operation") == "Apply"
    ]
    return max([str(metadata.get("creationTimestamp") or ""), *ours])


def event_time(event: Object) -> str:
    """The moment that an event tells of, as Kubernetes wrote it; "" when it does not say."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), "")
