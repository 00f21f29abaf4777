"""A cache of one kind, kept current by list and watch, that notifies its listeners."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Expired, Refused
from bot.cluster.client.kinds import Kind
from bot.model.errors import Unavailable

log = logging.getLogger(__name__)

Objects = list[Object]
Key = tuple[str, str]
"""Namespace (empty for what has none) and name."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an object; `object` is its newest state, also of a deleted one."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Object
    before: Object | None = None

    @property
    def key(self) -> Key:
        return key_of(self.object)


Listener = Callable[[Change], None]


def key_of(item: Object) -> Key:
    metadata = item["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata["name"])


class Informer:
    """Lists once, then watches; resumes where a watch ended, lists again when that is too old.

    Cached objects are shared: do not change them. Listeners are called in the event loop after the cache
    changed and must not block; every object in the first list is an `ADDED` change.
    """

    def __init__(
        self,
        client: KubernetesApi,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
    ) -> None:
        self.kind = kind
        self._client = client
        self._namespace = namespace
        self._labels = labels
        self._cache: dict[Key, Object] = {}
        self._listeners: list[Listener] = []
        self._listed = asyncio.Event()
        self._version = ""

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with every change; add it before `run`."""
        self._listeners.append(listener)

    async def synced(self) -> None:
        """Returns once the first list is in the cache."""
        await self._listed.wait()

    @property
    def has_synced(self) -> bool:
        """Whether the first list is in the cache."""
        return self._listed.is_set()

    def get(self, name: str, namespace: str = "") -> Object | None:
        return self._cache.get((namespace, name))

    def list(self, namespace: str | None = None) -> Objects:
        """Cached objects, of one namespace or of all."""
        return [item for key, item in self._cache.items() if namespace is None or key[0] == namespace]

    async def run(self) -> None:
        """Keeps the cache current until cancelled; retries with backoff when the server is unavailable."""
        pause = _FIRST_PAUSE
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                pause = _FIRST_PAUSE
            except Expired:
                self._version = ""
                continue
            except Refused as error:
                log.warning("watching %s: %s", self.kind.plural, error)
            except Unavailable as error:
                log.debug("watching %s: %s", self.kind.plural, error)
            else:
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (spreads clients, no secret)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self) -> None:
        listed = await self._client.list(self.kind, self._namespace, labels=self._labels)
        current = {key_of(item): item for item in listed.items}
        vanished = [item for key, item in self._cache.items() if key not in current]
        for item in vanished:
            self._forget(item)
        for item in listed.items:
            self._remember(item)
        self._version = listed.resource_version
        self._listed.set()

    async def _watch(self) -> None:
        events = self._client.watch(
            self.kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
        )
        async with contextlib.aclosing(events):
            async for event in events:
                item = event["object"]
                if event["type"] == "DELETED":
                    self._forget(item)
                elif event["type"] != "BOOKMARK":
                    self._remember(item)
                self._version = item["metadata"]["resourceVersion"]

    def _remember(self, item: Object) -> None:
        before = self._cache.get(key_of(item))
        if before is not None and _version(before) == _version(item):
            return
        self._cache[key_of(item)] = item
        self._notify(Change("ADDED" if before is None else "MODIFIED", item, before))

    def _forget(self, item: Object) -> None:
        before = self._cache.pop(key_of(item), None)
        if before is not None:
            self._notify(Change("DELETED", item, before))

    def _notify(self, change: Change) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                log.exception("a listener of %s failed", self.kind.plural)


def _version(item: Object) -> str:
    return str(item["metadata"].get("resourceVersion"))
