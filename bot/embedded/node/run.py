"""One run of a container: a process, its log, its probes and hooks, and its end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.cluster.client.api import Object
from bot.embedded.node import probes
from bot.embedded.node.command import in_container
from bot.embedded.node.images import Image
from bot.embedded.node.logs import ContainerLog
from bot.embedded.node.preparation import Place, Preparation
from bot.embedded.node.processes import Command, Process
from bot.embedded.node.runtime import Runtime

_DRAIN_SECONDS = 1.0
_GRACE_SECONDS = 30
_HOOK_SECONDS = 60

Became = Callable[[bool, bool], None]
"""Called when the container has started, with its readiness."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is known of a container before it runs."""

    spec: Object
    command: Command
    image: Image
    mounts: dict[str, Path]


class Run:
    """Created by `Run.start`; `wait` must be called, and returns when nothing of it is left."""

    def __init__(
        self, runtime: Runtime, place: Place, plan: Plan, preparation: Preparation, process: Process
    ) -> None:
        self._runtime = runtime
        self._place = place
        self._plan = plan
        self._events = preparation
        self._process = process
        self._filling: asyncio.Task[None] | None = None
        self._target = probes.Target(plan.spec, place.pod_ip, runtime.probe_http, self._execute)

    @classmethod
    async def start(
        cls, runtime: Runtime, place: Place, plan: Plan, preparation: Preparation, log: ContainerLog
    ) -> "Run":
        """Start the process; its output goes into `log`. Raises `StartError`."""
        reading, writing = os.pipe()
        try:
            process = await runtime.processes.spawn(plan.command, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        run = cls(runtime, place, plan, preparation, process)
        run._filling = asyncio.create_task(log.fill(reading))
        preparation.record("Created", "Container created")
        preparation.record("Started", "Container started")
        return run

    async def wait(self, became: Became) -> int:
        """The exit code, once the process has ended and its log is complete."""
        tending = asyncio.create_task(self._tend(became))
        try:
            code = await self._process.wait()
        finally:
            self._process.signal(signal.SIGKILL)
            tending.cancel()
            await asyncio.wait([tending])
        if not tending.cancelled():
            tending.result()
        if self._filling:
            await asyncio.wait([self._filling], timeout=_DRAIN_SECONDS)
            self._filling.cancel()
        return code

    async def terminate(self, seconds: float) -> None:
        """End it: its `preStop` hook, SIGTERM to all of it and, after this many seconds in total, SIGKILL."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if hook := (self._plan.spec.get("lifecycle") or {}).get("preStop"):
                    await self._hook("PreStop", hook, seconds)
                self._process.signal(signal.SIGTERM)
                await self._process.wait()
        self._process.signal(signal.SIGKILL)

    async def _tend(self, became: Became) -> None:
        spec = self._plan.spec
        if (hook := (spec.get("lifecycle") or {}).get("postStart")) and not await self._hook(
            "PostStart", hook, _HOOK_SECONDS
        ):
            await self._end_for("FailedPostStartHook", {})
            return
        if (startup := spec.get("startupProbe")) and not await self._first_verdict("Startup", startup):
            await self._end_for("failed startup probe", startup)
            return
        became(True, "readinessProbe" not in spec)
        async with asyncio.TaskGroup() as group:
            if readiness := spec.get("readinessProbe"):
                group.create_task(self._keep_ready(readiness, became))
            if liveness := spec.get("livenessProbe"):
                group.create_task(self._keep_alive(liveness))

    async def _keep_ready(self, probe: Object, became: Became) -> None:
        async for good in probes.verdicts(probe, self._target, self._complaint("Readiness")):
            became(True, good)

    async def _keep_alive(self, probe: Object) -> None:
        async for good in probes.verdicts(probe, self._target, self._complaint("Liveness")):
            if not good:
                await self._end_for("failed liveness probe", probe)

    async def _first_verdict(self, kind: str, probe: Object) -> bool:
        async with contextlib.aclosing(
            probes.verdicts(probe, self._target, self._complaint(kind))
        ) as verdicts:
            return await anext(verdicts)

    def _complaint(self, kind: str) -> Callable[[str], None]:
        return lambda problem: self._events.warn("Unhealthy", f"{kind} probe failed: {problem}")

    async def _end_for(self, reason: str, probe: Object) -> None:
        name = self._plan.spec["name"]
        self._events.record("Killing", f"Container {name} {reason}, will be restarted")
        grace = self._place.pod["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS)
        await self.terminate(probe.get("terminationGracePeriodSeconds") or grace)

    async def _hook(self, name: str, hook: Object, seconds: float) -> bool:
        try:
            await self._target.act(hook, seconds)
        except probes.ProbeError as error:
            self._events.warn(f"Failed{name}Hook", f"{name}Hook failed: {error}")
            return False
        return True

    async def _execute(self, argv: list[str], seconds: float) -> tuple[int, str]:
        """Run a command in this container."""
        plan = self._plan
        output = self._place.folder / "tmp" / f".exec-{os.urandom(8).hex()}"
        process = None
        try:
            command = in_container(argv, plan.command, plan.image, plan.mounts)
            process = await self._runtime.processes.spawn(command, output)
            code = await asyncio.wait_for(process.wait(), seconds)
            return code, output.read_text(errors="replace")
        except TimeoutError:
            return 1, f"command timed out: {argv[0]} timed out after {seconds:g}s"
        finally:
            if process:
                process.signal(signal.SIGKILL)
            output.unlink(missing_ok=True)
