"""What a person who looks for a reason wants to see of a namespace: its events and the ends of its logs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.cluster import namespaces
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import EVENT, NAMESPACE, POD
from bot.cluster.health.events import event_time, newest_first
from bot.cluster.health.observe import printable
from bot.cluster.health.pod_failures import ContainerLog, container_statuses
from bot.cluster.names import SECRETS
from bot.cluster.secrets import read_secret
from bot.environments.secrets import InjectedSecrets
from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import NamespaceState

Object = Mapping[str, Any]
Hide = Callable[[str], str]

_EVENTS = 30
_CONTAINERS = 12
_LONGEST_LOG = 64_000


class DiagnosticsReader:
    """Reads only; what it cannot read, it says."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics:
        """`lines` of each container's log. A namespace that is not this environment's is not looked into."""
        try:
            view = namespaces.view(await self._api.get(NAMESPACE, namespace), environment)
            if view.state is NamespaceState.ABSENT:
                return NamespaceDiagnostics(unavailable=f"The cluster has no namespace {namespace}.")
            if view.state is NamespaceState.FOREIGN:
                return NamespaceDiagnostics(
                    unavailable=f"The namespace {namespace} is not this environment's."
                )
            events, pods, hide = await asyncio.gather(
                self._api.list(EVENT, namespace), self._api.list(POD, namespace), self._hide(namespace)
            )
        except (Rejected, Unavailable) as error:
            return NamespaceDiagnostics(unavailable=str(error))
        tails = await asyncio.gather(
            *(
                self._tail(namespace, each, lines, hide)
                for each in logging_containers(pods.items)[:_CONTAINERS]
            )
        )
        happenings = [to_event(event, hide) for event in newest_first(events.items)[:_EVENTS]]
        return NamespaceDiagnostics(tuple(happenings), tuple(tail for tail in tails if tail is not None))

    async def _hide(self, namespace: str) -> Hide:
        """A program may tell in its log what it was given as a secret; those who read the log were not."""
        secret = await read_secret(self._api, namespace, SECRETS)
        data = (secret or {}).get("data") or {}
        values = {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}
        return InjectedSecrets(values).hide

    async def _tail(self, namespace: str, speaker: ContainerLog, lines: int, hide: Hide) -> LogTail | None:
        pod, container, previous = speaker.pod, speaker.container, speaker.previous
        try:
            text = await self._api.log(namespace, pod, container, lines=lines, previous=previous)
        except (Rejected, Unavailable):
            return None
        return LogTail(pod, container, printable(hide(text), _LONGEST_LOG), previous)


def logging_containers(pods: Sequence[Object]) -> list[ContainerLog]:
    """The containers that have a log, those of the newest pod first.

    One that waits to start again is told by its last run.
    """
    found = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        for status in container_statuses(pod):
            state = status.get("state") or {}
            before = (status.get("lastState") or {}).get("terminated")
            started = "running" in state or "terminated" in state
            if started or before:
                found.append(
                    ContainerLog(pod["metadata"]["name"], str(status.get("name")), previous=not started)
                )
    return found


def to_event(event: Object, hide: Hide) -> Event:
    involved = event.get("involvedObject") or {}
    series = event.get("series") or {}
    return Event(
        at=_moment(event_time(event)),
        subject=printable(f"{involved.get('kind', '')} {involved.get('name', '')}"),
        reason=printable(str(event.get("reason") or "")),
        message=printable(hide(str(event.get("message") or ""))),
        warning=event.get("type") == "Warning",
        count=int(series.get("count") or event.get("count") or 1),
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
