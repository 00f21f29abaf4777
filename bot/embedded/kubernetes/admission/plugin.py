"""The base of the admission plugins."""

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.storage.store import Store


class Plugin:
    """Completes or refuses what is written. `live` is None on create."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        """Complete the object in place, or raise ApiError, before it is validated."""

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        """Raise ApiError for a complete object that may not be stored, or add warnings to `write`."""
