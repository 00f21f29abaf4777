"""The body of an Event about an object."""

import secrets
from datetime import UTC, datetime

from bot.cluster.client.api import Object

_LONGEST_MESSAGE = 1024


def event_body(
    item: Object, kind: str, reason: str, message: str, source: dict[str, str], field_path: str = ""
) -> Object:
    """An Event; `kind` is Normal or Warning. Objects without a namespace have theirs in `default`."""
    metadata = item["metadata"]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reference = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata["uid"],
        **({"fieldPath": field_path} if field_path else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:200]}.{secrets.token_hex(8)}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": reference,
        "type": kind,
        "reason": reason,
        "message": message[:_LONGEST_MESSAGE],
        "source": source,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
