"""Health of objects whose controllers make Secrets: ExternalSecrets and SealedSecrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]

SYNCED_BY = {"ExternalSecret": "Ready", "SealedSecret": "Synced"}
"""The condition that shows whether the Secret is current, by kind."""


def is_made(secret: Object) -> bool:
    """Whether the Secret belongs to such an object."""
    return any(owner["kind"] in SYNCED_BY for owner in secret["metadata"].get("ownerReferences") or ())


def made_name(manifest: Object) -> str:
    """The name of the Secret that the controller makes for the object."""
    target = (manifest.get("spec") or {}).get("target")
    return str((target.get("name") if isinstance(target, dict) else "") or manifest["metadata"]["name"])


def unsynced(kind: str, live: Object) -> tuple[str, bool]:
    """Why the Secret of the object is not current, in the words of its controller; "" when it is.

    Also whether that stays so: a SealedSecret that cannot be opened must be sealed again.
    """
    status = live.get("status") if isinstance(live.get("status"), dict) else {}
    conditions = [item for item in (status or {}).get("conditions") or () if isinstance(item, dict)]
    condition = next((item for item in conditions if item.get("type") == SYNCED_BY[kind]), None)
    if condition is None or not _is_seen(kind, live, status or {}, condition):
        return "waiting for its controller", False
    if condition.get("status") == "True":
        return "", False
    problem = condition.get("message") or condition.get("reason") or "its controller reports a failure"
    return str(problem), kind == "SealedSecret"


def _is_seen(kind: str, live: Object, status: Object, condition: Object) -> bool:
    """Whether the status is about the object as it is now."""
    generation = live["metadata"].get("generation")
    if kind == "SealedSecret":
        observed = status.get("observedGeneration")
        return observed is None or observed == generation
    synced = str(status.get("syncedResourceVersion") or "")
    return condition.get("status") != "True" or synced.startswith(f"{generation}-")
