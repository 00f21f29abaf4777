"""Work that follows from writes, done once the write is over."""

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from bot.embedded.kubernetes.errors import ApiError

Key = TypeVar("Key", bound=Hashable)
_log = logging.getLogger(__name__)


class Pending(Generic[Key]):
    """Keys to look at, each once, in the next turn of the event loop."""

    def __init__(self, look: Callable[[Key], None]) -> None:
        self._look = look
        self._keys: dict[Key, None] = {}
        self._scheduled = False

    def add(self, key: Key) -> None:
        self._keys[key] = None
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        keys, self._keys = self._keys, {}
        for key in keys:
            try:
                self._look(key)
            except ApiError as error:
                # Another writer changed or removed it first: that write adds the key again.
                _log.debug("background work on %s was refused: %s", key, error)
