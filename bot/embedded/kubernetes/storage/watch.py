"""Watches: what a client sees of the store's writes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bot.embedded.kubernetes.objects import Object, namespace_of
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.storage.selectors import Predicate
from bot.embedded.kubernetes.storage.store import Event, Store

INITIAL_END = "k8s.io/initial-events-end"
_BOOKMARK_EVERY = 30.0
_BACKLOG = 10_000

Change = tuple[str, Object]
"""Type of a watch event and its object."""


@dataclass(frozen=True)
class WatchOptions:
    version: str = ""
    """Resource version to start after; empty or 0 starts with what is there now."""
    seconds: float = 1800.0
    bookmarks: bool = False
    initial_events: bool = False


def seen(event: Event, namespace: str, matches: Predicate | None) -> Change | None:
    """The event as a watcher with that selector sees it: leaving the selection is a deletion."""
    if namespace and namespace_of(event.obj) != namespace:
        return None
    if matches is None:
        return event.type, event.obj
    now = event.type != "DELETED" and matches(event.obj)
    before = event.before is not None and matches(event.before)
    if now and not before:
        return "ADDED", event.obj
    if now:
        return "MODIFIED", event.obj
    if before:
        assert event.before is not None
        last = event.before if event.type != "DELETED" else event.obj
        version = event.obj["metadata"]["resourceVersion"]
        return "DELETED", {**last, "metadata": {**last["metadata"], "resourceVersion": version}}
    return None


class Watch:
    """One client's stream, subscribed from its creation on: nothing is lost before it is read."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        namespace: str,
        matches: Predicate | None,
        options: WatchOptions,
    ) -> None:
        self._store, self._resource, self._options = store, resource, options
        self._namespace, self._matches = namespace, matches
        self._pending: deque[Change] = deque()
        self._wake = asyncio.Event()
        self._over = False
        self._fill()
        self._unlisten = store.listen(self._take, resource)

    def _fill(self) -> None:
        start = self._options.version
        if start not in {"", "0"} and not self._options.initial_events:
            for event in self._store.since(self._resource, int(start)):
                self._take(event)
            return
        for obj in self._store.select(self._resource, self._namespace):
            if self._matches is None or self._matches(obj):
                self._pending.append(("ADDED", obj))
        if self._options.initial_events:
            self._pending.append(self._bookmark({INITIAL_END: "true"}))

    def _take(self, event: Event) -> None:
        change = seen(event, self._namespace, self._matches)
        if change is None:
            return
        if len(self._pending) >= _BACKLOG:
            self.end()
            return
        self._pending.append(change)
        self._wake.set()

    def _bookmark(self, annotations: Object | None = None) -> Change:
        fields: Object = {"resourceVersion": str(self._store.version)}
        if annotations:
            fields["annotations"] = annotations
        return "BOOKMARK", {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": fields,
        }

    def end(self) -> None:
        """Close the stream; the client comes back with the last version that it saw."""
        self._over = True
        self._wake.set()

    def close(self) -> None:
        """Stop listening. Must be called once the stream is no longer read."""
        self._unlisten()

    async def changes(self) -> AsyncIterator[list[Change]]:
        """Changes as they come, in batches, until the time is over or the watch is ended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.seconds
        while not self._over:
            if self._pending:
                batch = list(self._pending)
                self._pending.clear()
                yield batch
                continue
            self._wake.clear()
            left = deadline - loop.time()
            try:
                await asyncio.wait_for(self._wake.wait(), max(0.0, min(left, _BOOKMARK_EVERY)))
            except TimeoutError:
                if self._options.bookmarks:
                    yield [self._bookmark()]
                if loop.time() >= deadline:
                    return
