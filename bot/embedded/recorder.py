"""Records Events about objects, written in the background."""

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import EVENT
from bot.model.errors import Unavailable

_MAX_REMEMBERED = 1000
_MAX_MESSAGE = 1024

Key = tuple[str, str, str, str]


class Recorder:
    """Writes the Events of one component in order; a repeated Event raises the count of the first."""

    def __init__(self, client: KubernetesApi, component: str, host: str = "") -> None:
        self._client = client
        self._source = {"component": component, **({"host": host} if host else {})}
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self._written: dict[Key, Object] = {}

    def normal(self, item: Object, reason: str, message: str, *, field_path: str = "") -> None:
        """Records a completed action."""
        self._queue.put_nowait(self._event(item, "Normal", reason, message, field_path))

    def warning(self, item: Object, reason: str, message: str, *, field_path: str = "") -> None:
        """Records a failed action."""
        self._queue.put_nowait(self._event(item, "Warning", reason, message, field_path))

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            event = await self._queue.get()
            # The namespace may be terminating: an Event is not worth a retry.
            with contextlib.suppress(Refused, Unavailable):
                await self._write(event)

    async def _write(self, event: Object) -> None:
        subject = event["involvedObject"]
        key = (subject["uid"], subject.get("fieldPath", ""), event["reason"], event["message"])
        before = self._written.get(key)
        if before is None:
            self._written[key] = await self._client.create(EVENT, event)
            if len(self._written) > _MAX_REMEMBERED:
                del self._written[next(iter(self._written))]
            return
        before["count"] += 1
        repeated = {"count": before["count"], "lastTimestamp": event["lastTimestamp"]}
        metadata = before["metadata"]
        await self._client.patch(EVENT, metadata["name"], repeated, metadata["namespace"])

    def _event(self, item: Object, kind: str, reason: str, message: str, field_path: str) -> Object:
        metadata = item["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        subject = {
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
                # Events about objects without a namespace are in `default`.
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": subject,
            "type": kind,
            "reason": reason,
            "message": message[:_MAX_MESSAGE],
            "source": self._source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
