"""Objects in memory with resource versions, and the history that watches read."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from bot.embedded.kubernetes.errors import expired
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of
from bot.embedded.kubernetes.resources import Resource

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Event:
    """One write. `before` is what stood there; a DELETED event carries the last state at its new version."""

    version: int
    type: EventType
    resource: Resource
    obj: Object
    before: Object | None


Listener = Callable[[Event], None]


@dataclass
class _Table:
    """The objects of one resource, by namespace (empty for cluster-scoped) and name."""

    rows: dict[str, dict[str, Object]] = field(default_factory=dict)
    history: deque[Event] = field(default_factory=deque)
    dropped: int = 0
    """The version up to which history is lost."""
    listeners: list[Listener] = field(default_factory=list)


class Store:
    """Every write gets the next version of one counter. Stored objects are never changed in place."""

    def __init__(self, history: int = 1000) -> None:
        self.version = 1
        self._history = history
        self._tables: dict[Resource, _Table] = {}
        self._listeners: list[Listener] = []

    def _table(self, resource: Resource) -> _Table:
        table = self._tables.get(resource)
        if table is None:
            table = self._tables[resource] = _Table()
        return table

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._table(resource).rows.get(namespace, {}).get(name)

    def select(self, resource: Resource, namespace: str = "") -> Iterator[Object]:
        """The objects of one namespace, or of all, in the order of their keys."""
        rows = self._table(resource).rows
        for item in [namespace] if namespace else sorted(rows):
            inside = rows.get(item, {})
            for name in sorted(inside):
                yield inside[name]

    def resources(self) -> list[Resource]:
        """Resources of which there ever was an object."""
        return list(self._tables)

    def put(self, resource: Resource, obj: Object) -> Object:
        """Create or replace; returns the object with its new resourceVersion."""
        inside = self._table(resource).rows.setdefault(namespace_of(obj), {})
        before = inside.get(name_of(obj))
        stored = self._stamped(obj)
        inside[name_of(obj)] = stored
        self._publish(resource, "ADDED" if before is None else "MODIFIED", stored, before)
        return stored

    def remove(self, resource: Resource, obj: Object) -> Object:
        """Take an object out; returns its last state."""
        before = self._table(resource).rows[namespace_of(obj)].pop(name_of(obj))
        last = self._stamped(obj)
        self._publish(resource, "DELETED", last, before)
        return last

    def _stamped(self, obj: Object) -> Object:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _publish(self, resource: Resource, kind: EventType, obj: Object, before: Object | None) -> None:
        event = Event(self.version, kind, resource, obj, before)
        table = self._table(resource)
        table.history.append(event)
        while len(table.history) > self._history:
            table.dropped = table.history.popleft().version
        for listener in [*table.listeners, *self._listeners]:
            listener(event)

    def since(self, resource: Resource, version: int) -> list[Event]:
        """Writes after `version`; a 410 when history does not reach back that far."""
        table = self._table(resource)
        # A version from before a restart is as lost as one that history does not reach.
        if version < table.dropped or version > self.version:
            raise expired(f"too old resource version: {version} ({table.dropped + 1})")
        return [event for event in table.history if event.version > version]

    def listen(self, listener: Listener, resource: Resource | None = None) -> Callable[[], None]:
        """Call `listener` for each write (of one resource, or of all); returns what ends it."""
        listeners = self._listeners if resource is None else self._table(resource).listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener)
