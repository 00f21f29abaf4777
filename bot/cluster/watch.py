"""Reports changed environments by one watch per kind over all namespaces."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import structlog

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Expired, Refused
from bot.cluster.client.kinds import (
    DEPLOYMENT,
    GRPC_ROUTE,
    HTTP_ROUTE,
    JOB,
    NAMESPACE,
    POD,
    STATEFUL_SET,
    Kind,
)
from bot.cluster.health.fingerprint import Fingerprint, fingerprint, initial_fingerprint
from bot.cluster.names import ENVIRONMENT
from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError, Unavailable

log = structlog.get_logger()

Object = dict[str, Any]
Changed = Callable[[EnvironmentKey], None]

_KINDS = (DEPLOYMENT, STATEFUL_SET, JOB, POD, HTTP_ROUTE, GRPC_ROUTE, NAMESPACE)
_MIN_PAUSE = 0.5
_MAX_PAUSE = 30.0


class Watcher:
    """Watches all kinds. After an interruption it lists again and reports changes that it missed."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def run(self, changed: Changed) -> None:
        """Calls `changed` for each environment once and then for each change, until cancelled.

        A change may be reported more than once. `changed` must be quick; its exceptions are logged.
        """
        async with asyncio.TaskGroup() as group:
            for kind in _KINDS:
                group.create_task(_Watch(self._api, kind, changed).run())


class _Watch:
    """The watch of one kind. Keeps a fingerprint and the environment's label per object, never the object."""

    def __init__(self, api: KubernetesApi, kind: Kind, changed: Changed) -> None:
        self._api = api
        self._kind = kind
        self._changed = changed
        self._seen: dict[str, tuple[Fingerprint, str]] = {}
        self._version = ""
        self._pause = _MIN_PAUSE
        self._problem = ""
        """Why the API server refused the watch; reported once until the watch works."""

    async def run(self) -> None:
        while True:
            try:
                await self._follow()
                self._pause = _MIN_PAUSE
            except Expired:
                self._version = ""
            except Unavailable as error:  # the transport reports once that the API server does not answer
                log.debug("watch interrupted", kind=self._kind.name, reason=str(error))
            except GreenroomError as error:
                if self._kind.optional and isinstance(error, Refused) and error.not_found:
                    self._pause = _MAX_PAUSE  # the cluster lacks the kind
                elif str(error) != self._problem:
                    log.warning("watch interrupted", kind=self._kind.name, reason=str(error))
                    self._problem = str(error)
            except Exception:
                log.exception("watch failed on an unexpected event", kind=self._kind.name)
                self._version = ""
            await self._pause_before_retry()

    async def _follow(self) -> None:
        """Processes events after the last version until the server closes the stream."""
        if not self._version:
            await self._list()
        events = self._api.watch(self._kind, labels=ENVIRONMENT, resource_version=self._version)
        async with aclosing(events):
            async for event in events:
                self._process(event)

    async def _list(self) -> None:
        objects = await self._api.list(self._kind, labels=ENVIRONMENT)
        uids = {live["metadata"]["uid"] for live in objects.items}
        if not self._seen:  # at the start, whatever their state
            for label in {live["metadata"]["labels"][ENVIRONMENT] for live in objects.items}:
                self._report(label)
        for live in objects.items:
            self._note(live)
        for uid in self._seen.keys() - uids:
            _, label = self._seen.pop(uid)
            self._report(label)
        self._version, self._problem = objects.resource_version, ""

    def _process(self, event: Object) -> None:
        live = event["object"]
        metadata = live["metadata"]
        if event["type"] == "DELETED":
            self._seen.pop(metadata["uid"], None)
            self._report(metadata["labels"][ENVIRONMENT])
        elif event["type"] != "BOOKMARK":
            self._note(live)
        self._version = metadata["resourceVersion"]
        self._pause = _MIN_PAUSE

    def _note(self, live: Object) -> None:
        """Reports the environment if the change is relevant."""
        uid, label = live["metadata"]["uid"], live["metadata"]["labels"][ENVIRONMENT]
        now = fingerprint({**live, "kind": self._kind.name})
        before, _ = self._seen.get(uid, (initial_fingerprint(self._kind.name), label))
        self._seen[uid] = (now, label)
        if now.is_news(before):
            self._report(label)

    def _report(self, label: str) -> None:
        try:
            key = EnvironmentKey.parse(label)
        except ValueError:
            return
        self._changed(key)

    async def _pause_before_retry(self) -> None:
        """Sleeps with exponential backoff and jitter, so that replicas do not reconnect at the same time."""
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311, no secret
        self._pause = min(self._pause * 2, _MAX_PAUSE)
