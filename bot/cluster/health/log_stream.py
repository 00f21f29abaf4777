"""Follows the logs of an environment's containers, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import POD
from bot.cluster.health.diagnostics import CONTAINERS, Hide, hide_secrets, logging_containers, unavailable
from bot.cluster.health.observe import printable
from bot.cluster.pod_failures import ContainerLog
from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError, Unavailable

_LONGEST_LINE = 16 * 1024
"""Bytes; the rest of a longer line is shown as another one."""
_WAITING = 1000
"""Lines that wait to be shown. A container that writes faster waits."""


@dataclass(frozen=True, slots=True)
class LogLine:
    pod: str
    container: str
    text: str


async def follow_logs(
    api: KubernetesApi, app_id: int, namespace: str, environment: EnvironmentKey, lines: int
) -> AsyncGenerator[LogLine, None]:
    """The last `lines` of each container that runs, and each new line until all of them end.

    Injected secrets are redacted. Raises Unavailable when the namespace cannot be read.
    """
    if problem := await unavailable(api, app_id, namespace, environment):
        raise Unavailable(problem)
    hide = await hide_secrets(api, namespace)
    pods = await api.list(POD, namespace)
    followed = [log for log in logging_containers(pods.items) if not log.previous][:CONTAINERS]
    queue: asyncio.Queue[LogLine | None] = asyncio.Queue(_WAITING)
    tasks = [asyncio.create_task(_follow(api, namespace, log, lines, hide, queue)) for log in followed]
    try:
        ended = 0
        while ended < len(tasks):
            line = await queue.get()
            if line is None:
                ended += 1
            else:
                yield line
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(
    api: KubernetesApi,
    namespace: str,
    log: ContainerLog,
    lines: int,
    hide: Hide,
    queue: asyncio.Queue[LogLine | None],
) -> None:
    """Puts the lines of one container, and None at its end."""

    async def show(content: bytes) -> None:
        for start in range(0, max(len(content), 1), _LONGEST_LINE):
            piece = content[start : start + _LONGEST_LINE].decode(errors="replace")
            await queue.put(LogLine(log.pod, log.container, printable(hide(piece), _LONGEST_LINE)))

    rest = b""
    try:
        async with aclosing(api.follow_log(namespace, log.pod, log.container, lines=lines)) as pieces:
            async for piece in pieces:
                *complete, rest = (rest + piece).split(b"\n")
                for line in complete:
                    await show(line)
                if len(rest) > _LONGEST_LINE:
                    await show(rest)
                    rest = b""
        if rest:
            await show(rest)
    except GreenroomError as error:
        await queue.put(LogLine(log.pod, log.container, str(error)))
    await queue.put(None)
