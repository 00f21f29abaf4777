"""Selection of warning events by object. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.health.health import pods_of
from bot.cluster.names import FIELD_MANAGER
from bot.cluster.pod_events import claims, event_time
from bot.model.manifest import Manifest

Object = Mapping[str, Any]

_MAX_LINES = 5


def newest_first(events: Sequence[Object]) -> list[Object]:
    return sorted(events, key=event_time, reverse=True)


def related_events(manifest: Manifest, pods: Sequence[Object], events: Sequence[Object]) -> str:
    """The latest events of an object, its pods, their owners (ReplicaSet `shop-5d4f` of `shop`) and claims.

    In the order in which they occurred first: a repetition changes nothing.
    """
    own = pods_of(manifest, pods)
    names = {manifest["metadata"]["name"], *(pod["metadata"]["name"] for pod in own)}
    for pod in own:
        names |= {owner["name"] for owner in pod["metadata"].get("ownerReferences") or []} | claims(pod)
    lines: dict[str, None] = {}
    for event in sorted(events, key=_first_time):
        if (event.get("involvedObject") or {}).get("name") in names and event.get("reason") != "Killing":
            lines[f"{event.get('reason')}: {event.get('message')}"] = None
    return "\n".join(list(lines)[-_MAX_LINES:])


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


def _first_time(event: Object) -> str:
    return str(event.get("firstTimestamp") or event.get("eventTime") or event_time(event))
