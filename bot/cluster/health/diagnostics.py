"""Diagnostics of a namespace: its events and the last lines of its logs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.cluster import namespaces
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import EVENT, NAMESPACE, POD, SECRET
from bot.cluster.health.events import newest_first
from bot.cluster.health.observe import printable
from bot.cluster.names import SECRETS
from bot.cluster.pod_events import event_time
from bot.cluster.pod_failures import ContainerLog, container_statuses
from bot.environments.secrets import InjectedSecrets
from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import NamespaceState
from bot.model.plain_text import plain_text

Object = Mapping[str, Any]
Hide = Callable[[str], str]

_EVENTS = 30
CONTAINERS = 12
"""Number of containers whose logs are shown, those of the newest pods."""
_MAX_LOG_CHARACTERS = 64_000


class DiagnosticsReader:
    """Reads diagnostics; errors become part of the result."""

    def __init__(self, api: KubernetesApi, app_id: int) -> None:
        self._api = api
        self._app_id = app_id

    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics:
        """Events and the last `lines` of each log. A namespace of another owner is not read."""
        try:
            if problem := await unavailable(self._api, self._app_id, namespace, environment):
                return NamespaceDiagnostics(unavailable=problem)
            events, pods, hide = await asyncio.gather(
                self._api.list(EVENT, namespace),
                self._api.list(POD, namespace),
                hide_secrets(self._api, namespace),
            )
        except (Rejected, Unavailable) as error:
            return NamespaceDiagnostics(unavailable=str(error))
        tails = await asyncio.gather(
            *(self._tail(namespace, log, lines, hide) for log in logging_containers(pods.items)[:CONTAINERS])
        )
        shown_events = [to_event(event, hide) for event in newest_first(events.items)[:_EVENTS]]
        return NamespaceDiagnostics(tuple(shown_events), tuple(tail for tail in tails if tail is not None))

    async def _tail(self, namespace: str, log: ContainerLog, lines: int, hide: Hide) -> LogTail | None:
        pod, container, previous = log.pod, log.container, log.previous
        try:
            text = await self._api.log(namespace, pod, container, lines=lines, previous=previous)
        except (Rejected, Unavailable):
            return None
        hidden = await asyncio.to_thread(hide, text)  # takes long with many large secrets
        return LogTail(pod, container, printable(hidden, _MAX_LOG_CHARACTERS), previous)


async def unavailable(
    api: KubernetesApi, app_id: int, namespace: str, environment: EnvironmentKey
) -> str | None:
    """Why a namespace is not read: it does not exist, or it belongs to something else."""
    view = namespaces.view(await api.find(NAMESPACE, namespace), environment, app_id)
    if view.state is NamespaceState.ABSENT:
        return f"The namespace {namespace} does not exist."
    if view.state is NamespaceState.FOREIGN:
        return f"The namespace {namespace} does not belong to this environment."
    return None


async def hide_secrets(api: KubernetesApi, namespace: str) -> Hide:
    """Returns a function that redacts injected secrets, which programs may log."""
    secrets = await api.list(SECRET, namespace)
    values = {
        f"{_name(secret)} {name}": base64.b64decode(value).decode(errors="replace")
        for secret in secrets.items
        if _name(secret).startswith(SECRETS)  # also that of a candidate
        for name, value in (secret.get("data") or {}).items()
    }
    hide = InjectedSecrets(values).hide
    # A value may be coloured, or have other sequences for terminals in it.
    return lambda text: hide(plain_text(text))


def _name(manifest: Object) -> str:
    return str(manifest["metadata"]["name"])


def logging_containers(pods: Sequence[Object]) -> list[ContainerLog]:
    """The containers that have a log, those of the newest pod first.

    For a container that waits for a restart, the log of the previous run is used.
    """
    logs = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        for status in container_statuses(pod):
            state = status.get("state") or {}
            terminated = (status.get("lastState") or {}).get("terminated")
            started = "running" in state or "terminated" in state
            if started or terminated:
                logs.append(
                    ContainerLog(pod["metadata"]["name"], str(status.get("name")), previous=not started)
                )
    return logs


def to_event(event: Object, hide: Hide) -> Event:
    involved = event.get("involvedObject") or {}
    series = event.get("series") or {}
    return Event(
        at=_time(event_time(event)),
        subject=printable(f"{involved.get('kind', '')} {involved.get('name', '')}"),
        reason=printable(str(event.get("reason") or "")),
        message=printable(hide(str(event.get("message") or ""))),
        warning=event.get("type") == "Warning",
        count=int(series.get("count") or event.get("count") or 1),
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
