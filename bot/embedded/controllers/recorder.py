"""Events: what a controller did or could not do, beside the object, for people."""

import contextlib
import secrets

from bot.embedded.client import ApiError, Client, Object
from bot.embedded.client.resources import EVENTS
from bot.embedded.controllers.objects import from_time, utc_now

MAX_REMEMBERED = 1000


class Recorder:
    """Writes the events of one controller. A warning is repeated only in other words."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._last: dict[str, tuple[str, str]] = {}

    async def normal(self, item: Object, reason: str, message: str) -> None:
        """Record a completed action."""
        await self._write(item, "Normal", reason, message)

    async def warning(self, item: Object, reason: str, message: str) -> None:
        """Record a failed action."""
        uid = item["metadata"]["uid"]
        if self._last.get(uid) != (reason, message):
            if len(self._last) > MAX_REMEMBERED:
                self._last.clear()
            self._last[uid] = (reason, message)
            await self._write(item, "Warning", reason, message)

    async def _write(self, item: Object, kind: str, reason: str, message: str) -> None:
        metadata = item["metadata"]
        now = from_time(utc_now())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:200]}.{secrets.token_hex(8)}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": item["apiVersion"],
                "kind": item["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        with contextlib.suppress(
            ApiError
        ):  # the namespace may be on its way out; an event is not worth a retry
            await self._client.create(EVENTS, event)
