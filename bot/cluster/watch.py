"""Tells which environments changed: one watch per kind over all namespaces, none per environment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import structlog

from bot.cluster.client.api import Expired, KubernetesApi
from bot.cluster.client.kinds import DEPLOYMENT, HTTP_ROUTE, JOB, NAMESPACE, POD, STATEFUL_SET, Kind
from bot.cluster.health.fingerprint import fingerprint, initial_fingerprint
from bot.cluster.names import ENVIRONMENT
from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError

log = structlog.get_logger()

Object = dict[str, Any]
Changed = Callable[[EnvironmentKey], Awaitable[None]]

_KINDS = (DEPLOYMENT, STATEFUL_SET, JOB, POD, HTTP_ROUTE, NAMESPACE)
_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class Watcher:
    """Survives whatever the API server does: it lists and watches again, and tells what it missed."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def run(self, changed: Changed) -> None:
        """Calls `changed` until cancelled: after the start once for every environment, then for each change.

        A change may be told more than once. `changed` must be quick; what it raises is logged.
        """
        async with asyncio.TaskGroup() as group:
            for kind in _KINDS:
                group.create_task(_Watch(self._api, kind, changed).forever())


class _Watch:
    """One kind. Of each object it keeps a number and the environment's label, never the object."""

    def __init__(self, api: KubernetesApi, kind: Kind, changed: Changed) -> None:
        self._api = api
        self._kind = kind
        self._changed = changed
        self._known: dict[str, tuple[int, str]] = {}
        self._version = ""
        self._pause = _SHORTEST_PAUSE

    async def forever(self) -> None:
        while True:
            try:
                await self._follow()
                self._pause = _SHORTEST_PAUSE
            except Expired:
                self._version = ""
            except GreenroomError as error:
                log.warning("a watch broke off and goes on", kind=self._kind.name, reason=str(error))
            except Exception:
                log.exception("a defect: a watch could not read what it got", kind=self._kind.name)
                self._version = ""
            await self._rest()

    async def _follow(self) -> None:
        """From the last version that was seen until the server closes."""
        if not self._version:
            await self._list()
        events = self._api.watch(self._kind, labels=ENVIRONMENT, resource_version=self._version)
        async with aclosing(events):
            async for event in events:
                await self._take(event)

    async def _list(self) -> None:
        found = await self._api.list(self._kind, labels=ENVIRONMENT)
        seen = {each["metadata"]["uid"] for each in found.items}
        for each in found.items:
            await self._note(each)
        for uid in self._known.keys() - seen:
            _, label = self._known.pop(uid)
            await self._tell(label)
        self._version = found.resource_version

    async def _take(self, event: Object) -> None:
        live = event["object"]
        metadata = live["metadata"]
        if event["type"] == "DELETED":
            self._known.pop(metadata["uid"], None)
            await self._tell(metadata["labels"][ENVIRONMENT])
        elif event["type"] != "BOOKMARK":
            await self._note(live)
        self._version = metadata["resourceVersion"]
        self._pause = _SHORTEST_PAUSE

    async def _note(self, live: Object) -> None:
        """Tells of an object whose status is another one than the last time."""
        uid, label = live["metadata"]["uid"], live["metadata"]["labels"][ENVIRONMENT]
        now = fingerprint({**live, "kind": self._kind.name})
        before, _ = self._known.get(uid, (initial_fingerprint(self._kind.name), label))
        self._known[uid] = (now, label)
        if now != before:
            await self._tell(label)

    async def _tell(self, label: str) -> None:
        try:
            key = EnvironmentKey.parse(label)
        except ValueError:
            return
        await self._changed(key)

    async def _rest(self) -> None:
        """Between half and all of a pause that doubles, so that replicas do not come back all at once."""
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311, no secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
