"""A small asynchronous Kubernetes client for the embedded node, controllers and gateway.

`Client` speaks the verbs, `Informer` keeps a watched cache of one kind, `Reconciler` runs keyed work.
"""

from bot.embedded.client.api import Client, Collection, WatchEvent
from bot.embedded.client.connection import ApiError, Connection
from bot.embedded.client.informer import Change, Informer, Key, key_of
from bot.embedded.client.reconciler import Reconciler
from bot.embedded.client.resources import Object, Resource

__all__ = [
    "ApiError",
    "Change",
    "Client",
    "Collection",
    "Connection",
    "Informer",
    "Key",
    "Object",
    "Reconciler",
    "Resource",
    "WatchEvent",
    "key_of",
]
