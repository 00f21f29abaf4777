"""Events about pods and volumes, written in the background."""

import asyncio
import contextlib
import logging
import secrets

import httpx

from bot.embedded.client import ApiError, Client, Object
from bot.embedded.client.resources import EVENTS
from bot.embedded.node.status import now

log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 1024
_REMEMBERED = 1000

Key = tuple[str, str, str, str]


class Recorder:
    """Writes events one after the other; the same one again raises the count of the first."""

    def __init__(self, client: Client, component: str, host: str) -> None:
        self._client = client
        self._source = {"component": component, "host": host}
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self._written: dict[Key, Object] = {}

    def normal(self, item: Object, reason: str, message: str, *, container: str = "") -> None:
        self._queue.put_nowait(self._event(item, "Normal", reason, message, container))

    def warning(self, item: Object, reason: str, message: str, *, container: str = "") -> None:
        self._queue.put_nowait(self._event(item, "Warning", reason, message, container))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            event = await self._queue.get()
            # Its namespace may be on its way out: an event is not worth a second try.
            with contextlib.suppress(ApiError, httpx.TransportError):
                await self._write(event)

    async def _write(self, event: Object) -> None:
        about = event["involvedObject"]
        key = (about["uid"], about.get("fieldPath", ""), event["reason"], event["message"])
        before = self._written.get(key)
        if before is None:
            self._written[key] = await self._client.create(EVENTS, event)
            if len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]
            return
        before["count"] += 1
        again = {"count": before["count"], "lastTimestamp": event["lastTimestamp"]}
        metadata = before["metadata"]
        await self._client.patch(EVENTS, metadata["name"], again, metadata["namespace"])

    def _event(self, item: Object, kind: str, reason: str, message: str, container: str) -> Object:
        metadata = item["metadata"]
        # Nodes and other objects without a namespace have their events in `default`.
        namespace = metadata.get("namespace") or "default"
        about = {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata["uid"],
            **({"fieldPath": container} if container else {}),
        }
        time = now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:_LONGEST_MESSAGE],
            "source": self._source,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
