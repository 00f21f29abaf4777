"""A pod on this node, from its volumes to its last container, and its status."""

import asyncio
import logging
import shutil
from collections.abc import Callable

from bot.cluster.client.api import Object
from bot.cluster.client.errors import Refused
from bot.embedded.node.container import Container, RestartPolicy
from bot.embedded.node.preparation import Place, Preparation
from bot.embedded.node.runtime import Runtime
from bot.embedded.node.status import ContainerState, Snapshot, now, pod_status
from bot.embedded.node.volumes import VolumeError, prepare
from bot.model.errors import Unavailable

log = logging.getLogger(__name__)

_GRACE_SECONDS = 30
_LOST = "The container could not be located when the pod was restarted"


class Pod:
    """Lives until it is terminated; `changed` is called whenever its status is another one."""

    def __init__(self, runtime: Runtime, pod: Object, pod_ip: str, changed: Callable[[], None]) -> None:
        self._runtime = runtime
        self._changed = changed
        self._spec = pod["spec"]
        folder = runtime.folder / "pods" / pod["metadata"]["uid"]
        self._place = Place(pod, pod_ip, folder)
        status = pod.get("status") or {}
        self._started_at = status.get("startTime") or now()
        self._inits = self._containers("initContainers", status.get("initContainerStatuses") or [])
        self._main = self._containers("containers", status.get("containerStatuses") or [])
        self._task: asyncio.Task[None] | None = None
        self.ended = status.get("phase") in ("Succeeded", "Failed")

    @property
    def pod(self) -> Object:
        """The newest known object."""
        return self._place.pod

    @property
    def address(self) -> str:
        return self._place.pod_ip

    def update(self, pod: Object) -> None:
        self._place.pod = pod

    def status(self) -> Object:
        """The status to write now."""
        inits = [container.state for container in self._inits]
        mains = [container.state for container in self._main]
        return pod_status(Snapshot(self.pod, self.address, self._started_at, inits, mains, self.ended))

    def container(self, name: str) -> Container | None:
        """The container of that name; without a name, the first one."""
        requested = name or self._main[0].name
        return next((init for init in (*self._inits, *self._main) if init.name == requested), None)

    def start(self) -> None:
        """Run it, unless it has ended permanently."""
        if not self.ended:
            self._task = asyncio.create_task(self._live())
            self._task.add_done_callback(self._report)

    def abandon(self) -> None:
        """Let go of it as it is; its processes end with the node."""
        for container in (*self._inits, *self._main):
            container.abandon()
        if self._task:
            self._task.cancel()

    async def terminate(self, seconds: float) -> None:
        """Stop every container, the sidecars last, and write the last status."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await asyncio.gather(*(container.stop(seconds) for container in self._main))
        await asyncio.gather(*(container.stop(seconds) for container in self._inits))
        self.ended = True
        self._changed()

    def remove(self) -> None:
        """Delete its folder with volumes and logs."""
        shutil.rmtree(self._place.folder, ignore_errors=True)

    def _containers(self, key: str, statuses: list[Object]) -> list[Container]:
        fields = {status["name"]: status for status in statuses}
        containers = []
        for spec in self._spec.get(key) or []:
            state = _resumed(spec, fields.get(spec["name"]), bool(self._spec.get("initContainers")))
            policy = self._policy(spec, key)
            containers.append(Container(self._runtime, self._place, spec, state, policy, self._changed))
        return containers

    def _policy(self, spec: Object, key: str) -> RestartPolicy:
        policy: RestartPolicy = self._spec.get("restartPolicy", "Always")
        if key == "containers":
            return policy
        if spec.get("restartPolicy") == "Always":
            return "Always"
        # An init container runs once more only when it failed.
        return "Never" if policy == "Never" else "OnFailure"

    def _report(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("pod %s failed on this node", self._place.title, exc_info=error)

    async def _live(self) -> None:
        self._changed()
        await self._prepare()
        for container in self._inits:
            if not await self._initialize(container):
                break
        else:
            for container in self._main:
                container.start()
            await asyncio.gather(*(container.done() for container in self._main))
        grace = self._spec.get("terminationGracePeriodSeconds", _GRACE_SECONDS)
        await asyncio.gather(*(container.stop(grace) for container in self._inits))
        self.ended = True
        self._changed()

    async def _prepare(self) -> None:
        """Create its folder and volumes; report missing objects and wait for them."""
        (self._place.folder / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
        preparation = Preparation(self._runtime, self._place, self._spec["containers"][0])
        failures = 0
        while True:
            try:
                self._place.volumes = await prepare(
                    self.pod,
                    self._place.folder / "volumes",
                    self._runtime.claims,
                    self.address,
                    preparation.fetch,
                )
            except VolumeError as error:
                failed = f'MountVolume.SetUp failed for volume "{error.volume}" : {error}'
                self._runtime.recorder.warning(self.pod, "FailedMount", failed)
            except (Refused, Unavailable) as error:
                log.debug("volumes of %s: %r", self._place.title, error)
            else:
                return
            failures += 1
            await asyncio.sleep(self._runtime.pause(failures) or self._runtime.restart_backoff / 4)

    async def _initialize(self, container: Container) -> bool:
        """Run an init container; false when the pod fails with it."""
        if _exit_code(container.state) == 0:
            return True
        container.start()
        if container.sidecar:
            await container.started()
            return True
        await container.done()
        self._changed()
        return _exit_code(container.state) == 0


def _exit_code(state: ContainerState) -> int | None:
    return int(state.terminated["exitCode"]) if state.terminated else None


def _resumed(spec: Object, status: Object | None, has_inits: bool) -> ContainerState:
    """The state of a container. A run of an earlier process of this node is reported as lost."""
    state = ContainerState(spec["name"], spec["image"])
    state.state = {"waiting": {"reason": "PodInitializing" if has_inits else "ContainerCreating"}}
    if not status or not status.get("containerID"):
        return state
    state.container_id, state.image_id = status["containerID"], status.get("imageID", "")
    state.restarts, state.last_state = status.get("restartCount", 0), status.get("lastState") or {}
    state.state = status["state"]
    if state.running:
        state.end(137, "ContainerStatusUnknown", _LOST)
    return state
