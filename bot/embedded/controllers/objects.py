"""Functions on objects for all controllers: ownership, readiness, conditions."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.cluster.client.api import Object

Clock = Callable[[], datetime]

_ENCODING = "bcdfghjklmnpqrstvwxz2456789"  # without vowels and look-alikes, as in Kubernetes


def utc_now() -> datetime:
    """Now, to the second, as the API keeps times."""
    return datetime.now(UTC).replace(microsecond=0)


def to_time(text: str) -> datetime:
    """A time as the API writes it."""
    return datetime.fromisoformat(text)


def from_time(moment: datetime) -> str:
    """A time as the API reads it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def content_hash(value: object, salt: int = 0) -> str:
    """A short name for `value`, fit for labels and object names; `salt` gives another one."""
    content = json.dumps([value, salt], sort_keys=True).encode()
    number = int.from_bytes(hashlib.sha256(content).digest()[:5])
    letters = []
    for _ in range(10):
        number, rest = divmod(number, len(_ENCODING))
        letters.append(_ENCODING[rest])
    return "".join(letters).rstrip("b") or "b"


def owner_reference(owner: Object) -> Object:
    """The reference that makes `owner` the controller of another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(item: Object) -> Object | None:
    """The owner reference of the object's controller."""
    references: list[Object] = item["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def controlled_by(items: Iterable[Object], owner: Object) -> list[Object]:
    """Those of `items` whose controller is `owner`, oldest first."""
    uid = owner["metadata"]["uid"]
    owned = [item for item in items if (controller_of(item) or {}).get("uid") == uid]
    return sorted(owned, key=created)


def created(item: Object) -> tuple[str, str]:
    """Sorts by age, then by name."""
    return item["metadata"].get("creationTimestamp", ""), item["metadata"]["name"]


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector object as the query parameter."""
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = f"({','.join(expression.get('values') or [])})"
        words = {"In": f"{key} in {values}", "NotIn": f"{key} notin {values}", "Exists": key}
        terms.append(words.get(operator, f"!{key}"))
    return ",".join(terms)


def is_terminating(item: Object) -> bool:
    """Whether the object's deletion was requested."""
    return bool(item["metadata"].get("deletionTimestamp"))


def is_finished(pod: Object) -> bool:
    """Whether all containers ended permanently."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether a pod counts as a replica."""
    return not is_finished(pod) and not is_terminating(pod)


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def find_condition(item: Object, kind: str) -> Object | None:
    """The condition of that type in the object's status."""
    conditions: list[Object] = (item.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    """Whether the pod takes requests."""
    return (find_condition(pod, "Ready") or {}).get("status") == "True"


def seconds_until_available(pod: Object, min_ready_seconds: int, now: datetime) -> float | None:
    """0 when the pod is available, else the seconds to wait; None when it is not ready."""
    ready = find_condition(pod, "Ready")
    if not ready or ready["status"] != "True":
        return None
    if not min_ready_seconds or not ready.get("lastTransitionTime"):
        return 0.0
    age = (now - to_time(ready["lastTransitionTime"])).total_seconds()
    return max(0.0, min_ready_seconds - age)


def next_availability(owner: Object, pods: Iterable[Object], now: datetime) -> float | None:
    """Seconds until another pod has been ready for long enough; None when nothing is waited for."""
    minimum = owner["spec"].get("minReadySeconds", 0)
    active = (pod for pod in pods if is_active(pod))
    waits = [seconds_until_available(pod, minimum, now) for pod in active]
    return min((wait for wait in waits if wait), default=None)


def pod_from_template(template: Object, owner: Object, name: Object) -> Object:
    """A pod of `owner`; `name` holds either name or generateName."""
    metadata = template.get("metadata") or {}
    copied = {field: metadata[field] for field in ("annotations", "finalizers") if metadata.get(field)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **name,
            **copied,
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": json.loads(json.dumps(template["spec"])),
    }


def differs(new: object, old: object) -> bool:
    """Whether two statuses differ; zero, empty and absent are equal."""
    return _meaning(new) != _meaning(old)


def _meaning(value: object) -> object:
    if isinstance(value, dict):
        return {name: _meaning(entry) for name, entry in value.items() if entry}
    return [_meaning(entry) for entry in value] if isinstance(value, list) else value


def with_condition(conditions: Iterable[Object], new: Object, now: datetime) -> list[Object]:
    """`conditions` with `new` (type, status, reason, message); its transition time moves with its status.

    A condition of that type with equal status and reason stays as it is: a message may name what changes
    with every try.
    """
    kept = list(conditions)
    for index, old in enumerate(kept):
        if old["type"] != new["type"]:
            continue
        if all(old.get(name) == new.get(name) for name in ("status", "reason")):
            return kept
        same = old["status"] == new["status"]
        since = old.get("lastTransitionTime") if same else None
        kept[index] = {**new, "lastTransitionTime": since or from_time(now)}
        return kept
    return [*kept, {**new, "lastTransitionTime": from_time(now)}]
