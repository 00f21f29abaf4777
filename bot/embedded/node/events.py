"""Events about pods and volumes, written in the background."""

import asyncio
import contextlib
import logging

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import EVENT
from bot.embedded.events import event_body
from bot.model.errors import Unavailable

log = logging.getLogger(__name__)

_REMEMBERED = 1000

Key = tuple[str, str, str, str]


class Recorder:
    """Writes events one after the other; the same one again raises the count of the first."""

    def __init__(self, client: KubernetesApi, component: str, host: str) -> None:
        self._client = client
        self._source = {"component": component, "host": host}
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self._written: dict[Key, Object] = {}

    def normal(self, item: Object, reason: str, message: str, *, container: str = "") -> None:
        self._queue.put_nowait(event_body(item, "Normal", reason, message, self._source, container))

    def warning(self, item: Object, reason: str, message: str, *, container: str = "") -> None:
        self._queue.put_nowait(event_body(item, "Warning", reason, message, self._source, container))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            event = await self._queue.get()
            # Its namespace may be on its way out: an event is not worth a second try.
            with contextlib.suppress(Refused, Unavailable):
                await self._write(event)

    async def _write(self, event: Object) -> None:
        about = event["involvedObject"]
        key = (about["uid"], about.get("fieldPath", ""), event["reason"], event["message"])
        before = self._written.get(key)
        if before is None:
            self._written[key] = await self._client.create(EVENT, event)
            if len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]
            return
        before["count"] += 1
        again = {"count": before["count"], "lastTimestamp": event["lastTimestamp"]}
        metadata = before["metadata"]
        await self._client.patch(EVENT, metadata["name"], again, metadata["namespace"])
