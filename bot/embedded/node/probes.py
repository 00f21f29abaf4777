"""Probes and lifecycle hooks of a container: asking it over HTTP or TCP, or running a command in it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import httpx

from bot.cluster.client.api import Object
from bot.embedded.node.addresses import twin

Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]
"""Runs a command in the container within some seconds; its exit code and output."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_LONGEST_OUTPUT = 400


class ProbeError(Exception):
    """The container did not answer as it should; the message is the kubelet's."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running container, as a probe sees it."""

    container: Object
    pod_ip: str
    http: httpx.AsyncClient
    execute: Execute

    async def act(self, action: Object, seconds: float) -> None:
        """Perform an action (`httpGet`, `tcpSocket`, `exec` or `sleep`); raises `ProbeError`."""
        if request := action.get("httpGet"):
            await self._get(request, seconds)
        elif connection := action.get("tcpSocket"):
            await self._connect(connection, seconds)
        elif command := action.get("exec"):
            code, output = await self.execute(list(command["command"]), seconds)
            if code:
                raise ProbeError(output[:_LONGEST_OUTPUT] or f"command terminated with exit code {code}")
        elif pause := action.get("sleep"):
            await asyncio.sleep(pause["seconds"])
        else:
            raise ProbeError("this node has httpGet, tcpSocket and exec probes only")

    async def _get(self, request: Object, seconds: float) -> None:
        port = self._port(request["port"])
        host = request.get("host") or self.pod_ip
        scheme = request.get("scheme", "HTTP").lower()
        path = request.get("path") or "/"
        headers = {"User-Agent": "kube-probe/1.37", "Accept": "*/*", "Connection": "close"}
        headers.update({entry["name"]: entry["value"] for entry in request.get("httpHeaders") or []})
        headers.setdefault("Host", f"{host}:{port}")
        url = f"{scheme}://{_listening(host, self.pod_ip)}:{port}/{path.removeprefix('/')}"
        shown = f"{scheme}://{host}:{port}/{path.removeprefix('/')}"
        try:
            answer = await self.http.get(url, headers=headers, timeout=seconds)
        except httpx.ConnectError:
            raise ProbeError(f'Get "{shown}": dial tcp {host}:{port}: connect: connection refused') from None
        except httpx.TimeoutException:
            raise ProbeError(
                f'Get "{shown}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            ) from None
        except httpx.HTTPError as error:
            raise ProbeError(f'Get "{shown}": {error or type(error).__name__}') from None
        if not 200 <= answer.status_code < 400:
            raise ProbeError(f"HTTP probe failed with statuscode: {answer.status_code}")

    async def _connect(self, connection: Object, seconds: float) -> None:
        port = self._port(connection["port"])
        host = connection.get("host") or self.pod_ip
        try:
            opened = asyncio.open_connection(_listening(host, self.pod_ip), port)
            _, writer = await asyncio.wait_for(opened, seconds)
        except TimeoutError:
            raise ProbeError(f"dial tcp {host}:{port}: i/o timeout") from None
        except OSError:
            raise ProbeError(f"dial tcp {host}:{port}: connect: connection refused") from None
        writer.close()

    def _port(self, port: int | str) -> int:
        if isinstance(port, int):
            return port
        for entry in self.container.get("ports") or []:
            if entry.get("name") == port:
                return int(entry["containerPort"])
        raise ProbeError(f"couldn't find port: {port}")


async def verdicts(
    probe: Object, target: Target, complain: Callable[[str], None]
) -> AsyncGenerator[bool, None]:
    """Probe for ever; yields what the container is after enough answers in a row, complains of each failure.

    Until its first success a probe is tried more often than its period, so that a process is ready as soon as
    it can be. Of those tries only one in a period counts as a failure.
    """
    period = float(probe.get("periodSeconds") or 10)
    seconds = float(probe.get("timeoutSeconds") or 1)
    needed = {True: probe.get("successThreshold") or 1, False: probe.get("failureThreshold") or 3}
    await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
    last, row, pause, fresh, counted = None, 0, _FIRST_PAUSE, True, time.monotonic()
    while True:
        good, problem = await _try(probe, target, seconds)
        if not good and fresh and time.monotonic() - counted < period:
            await asyncio.sleep(min(pause, period))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            continue
        counted = time.monotonic()
        fresh = fresh and not good
        row = row + 1 if good == last else 1
        last = good
        if not good:
            complain(problem)
        if row >= needed[good]:
            yield good
        if not fresh:
            await asyncio.sleep(period)


async def _try(probe: Object, target: Target, seconds: float) -> tuple[bool, str]:
    try:
        await target.act(probe, seconds)
    except ProbeError as error:
        return False, str(error)
    return True, ""


def _listening(host: str, pod_ip: str) -> str:
    return twin(pod_ip) if host == pod_ip else host
