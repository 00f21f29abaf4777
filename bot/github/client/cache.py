"""A bounded memory of answers: with their ETag, asking again costs nothing of the rate limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """The least recently used values leave first when all together weigh more than `capacity`."""

    def __init__(self, capacity: int, weigh: Callable[[Value], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """A value that alone weighs more than a quarter of the capacity is not kept."""
        self.drop(key)
        weight = self._weigh(value)
        if weight * 4 > self._capacity:
            return
        self._values[key] = value
        self._weight += weight
        while self._weight > self._capacity:
            _, oldest = self._values.popitem(last=False)
            self._weight -= self._weigh(oldest)

    def drop(self, key: Key) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)
