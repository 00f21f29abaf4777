"""Events: what a controller did or could not do, beside the object, for people."""

import contextlib

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import EVENT
from bot.embedded.events import event_body
from bot.model.errors import Unavailable

MAX_REMEMBERED = 1000


class Recorder:
    """Writes the events of one controller. A warning is repeated only in other words."""

    def __init__(self, client: KubernetesApi, component: str) -> None:
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
        event = event_body(item, kind, reason, message, {"component": self._component})
        # The namespace may be on its way out: an event is not worth a retry.
        with contextlib.suppress(Refused, Unavailable):
            await self._client.create(EVENT, event)
