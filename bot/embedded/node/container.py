"""One container of a pod: started, restarted by its policy, and stopped."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bot.cluster.client.api import Object
from bot.cluster.client.errors import Refused
from bot.embedded.node.logs import ContainerLog
from bot.embedded.node.preparation import Place, Preparation
from bot.embedded.node.processes import StartError
from bot.embedded.node.run import Plan, Run
from bot.embedded.node.runtime import NotYetError, Runtime
from bot.embedded.node.status import ContainerState
from bot.model.errors import Unavailable

RestartPolicy = Literal["Always", "OnFailure", "Never"]

_RAN_WELL_SECONDS = 600
_NOT_STARTED = 128
_MESSAGE_LINES, _MESSAGE_BYTES = 80, 2048


class Container:
    """Runs until its restart policy is content or it is stopped; `changed` is called with every new state."""

    def __init__(
        self,
        runtime: Runtime,
        place: Place,
        spec: Object,
        state: ContainerState,
        policy: RestartPolicy,
        changed: Callable[[], None],
    ) -> None:
        self.name = str(spec["name"])
        self.state = state
        self._runtime = runtime
        self._place = place
        self._spec = spec
        self._policy = policy
        self._changed = changed
        self._preparation = Preparation(runtime, place, spec)
        self._run: Run | None = None
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._log: ContainerLog | None = None

    @property
    def sidecar(self) -> bool:
        """Whether, as an init container, it runs beside the others."""
        return self._spec.get("restartPolicy") == "Always"

    def start(self) -> None:
        """Start it, unless it has ended permanently under an earlier process of this node."""
        if not (self.state.terminated and self._content(self.state.terminated["exitCode"])):
            self._task = asyncio.create_task(self._live())

    async def started(self) -> None:
        """Return once it runs and its startup probe has passed."""
        await self._started.wait()

    async def done(self) -> None:
        """Return when it will not run again."""
        if self._task:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()

    async def stop(self, seconds: float) -> None:
        """End it: its `preStop` hook and SIGTERM within this many seconds, then SIGKILL."""
        self._stopping.set()
        if self._run:
            self._preparation.record("Killing", f"Stopping container {self.name}")
            await self._run.terminate(seconds)
        elif self._task:
            self._task.cancel()
        await self.done()

    def abandon(self) -> None:
        """Let go of it as it is."""
        if self._task:
            self._task.cancel()

    def log(self, *, previous: bool = False) -> ContainerLog | None:
        """The log of the current (or last) run, or of the one before it."""
        if self._log and not previous:
            return self._log
        log = ContainerLog(self._log_path(self.state.restarts - previous), closed=True)
        return log if log.path.exists() else None

    async def _live(self) -> None:
        while not self._stopping.is_set():
            try:
                code = await self._once()
            except NotYetError as problem:
                await self._wait(problem)
                continue
            except (Refused, Unavailable) as error:
                await self._wait(NotYetError("CreateContainerConfigError", f"failed to sync: {error}"))
                continue
            if self._content(code):
                return
            await self._back_off()

    async def _once(self) -> int:
        """Run it to its end; the exit code. Raises `NotYetError`."""
        image = await self._preparation.image()
        try:
            command, mounts = await self._preparation.command(image)
            log = ContainerLog(self._log_path(self.state.restarts + self.state.ever_started))
            log.path.parent.mkdir(parents=True, exist_ok=True)
            plan = Plan(self._spec, command, image, mounts)
            self._run = await Run.start(self._runtime, self._place, plan, self._preparation, log)
        except StartError as problem:
            return self._not_started(image.identity, problem)
        self._log = log
        self.state.run(_new_id(), image.identity)
        self._changed()
        began = time.monotonic()
        try:
            code = await self._run.wait(self._became)
        finally:
            self._run = None
        if time.monotonic() - began > _RAN_WELL_SECONDS:
            self._failures = 0
        self.state.end(code, "Completed" if code == 0 else "Error", self._message(code, log))
        self._changed()
        return code

    def _not_started(self, image_id: str, problem: StartError) -> int:
        text = f"failed to create containerd task: unable to start container process: {problem}"
        self._preparation.warn("Failed", f"Error: {text}")
        self.state.run(_new_id(), image_id)
        self.state.end(_NOT_STARTED, "StartError", text)
        self._changed()
        return _NOT_STARTED

    async def _wait(self, problem: NotYetError) -> None:
        """Show why it cannot start, and return when it is time to try again."""
        self._failures += 1
        if problem.reason not in ("ErrImagePull", (self.state.waiting or {}).get("reason")):
            action = str(problem) if problem.reason == "CreateContainerConfigError" else problem.reason
            self._preparation.warn("Failed", f"Error: {action}")
        self.state.wait(problem.reason, str(problem))
        self._changed()
        await self._pause(self._runtime.restart_backoff)
        if problem.reason == "ErrImagePull" and not self._stopping.is_set():
            text = f'Back-off pulling image "{self._spec["image"]}"'
            self._preparation.record("BackOff", text)
            self.state.wait("ImagePullBackOff", f"{text}: ErrImagePull: {problem}")
            self._changed()
            await self._pause(self._runtime.pause(self._failures + 1))

    async def _back_off(self) -> None:
        """The first restart comes at once, later ones after a growing pause."""
        self._failures += 1
        pause = self._runtime.pause(self._failures)
        if self._stopping.is_set() or not pause:
            return
        title = self._place.title
        self._preparation.warn("BackOff", f"Back-off restarting failed container {self.name} in pod {title}")
        problem = f"back-off {pause:g}s restarting failed container={self.name} pod={title}"
        self.state.wait("CrashLoopBackOff", problem)
        self._changed()
        await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _content(self, code: int) -> bool:
        return self._policy == "Never" or (self._policy == "OnFailure" and code == 0)

    def _became(self, started: bool, ready: bool) -> None:
        self._started.set()
        if self.state.running and (self.state.started, self.state.ready) != (started, ready):
            self.state.started, self.state.ready = started, ready
            self._changed()

    def _message(self, code: int, log: ContainerLog) -> str:
        if code == 0 or self._spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        return log.tail(_MESSAGE_LINES)[-_MESSAGE_BYTES:].decode(errors="replace")

    def _log_path(self, run: int) -> Path:
        return self._place.folder / "logs" / self.name / f"{run}.log"


def _new_id() -> str:
    return f"greenroom://{secrets.token_hex(32)}"
