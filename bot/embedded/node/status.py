"""The status of a pod as the kubelet writes it. Pure: from the states of its containers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from bot.cluster.client.api import Object

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]
_OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class ContainerState:
    """The state of one container; exactly one of waiting, running and terminated is in `state`."""

    name: str
    image: str
    image_id: str = ""
    container_id: str = ""
    restarts: int = 0
    started: bool = False
    ready: bool = False
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Object = field(default_factory=dict)

    @property
    def waiting(self) -> Object | None:
        return self.state.get("waiting")

    @property
    def terminated(self) -> Object | None:
        return self.state.get("terminated")

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def ever_started(self) -> bool:
        return bool(self.container_id)

    def wait(self, reason: str, message: str = "") -> None:
        """Set the waiting state with its reason. A run that has ended becomes the last state."""
        if self.terminated:
            self.last_state = self.state
        detail = {"reason": reason, "message": message} if message else {"reason": reason}
        self.state, self.started, self.ready = {"waiting": detail}, False, False

    def run(self, container_id: str, image_id: str) -> None:
        if self.terminated:
            self.last_state = self.state
        self.restarts += 1 if self.ever_started else 0
        self.container_id, self.image_id = container_id, image_id
        self.state = {"running": {"startedAt": now()}}

    def end(self, code: int, reason: str, message: str = "") -> None:
        started = (self.state.get("running") or {}).get("startedAt") or now()
        detail = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now()}
        detail.update({"containerID": self.container_id} if self.container_id else {})
        detail.update({"message": message} if message else {})
        self.state, self.started, self.ready = {"terminated": detail}, False, False

    def status(self) -> Object:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
            "state": self.state,
            "lastState": self.last_state,
            **({"containerID": self.container_id} if self.container_id else {}),
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a pod's status is made of. `ended` is true once no container will run any more."""

    pod: Object
    pod_ip: str
    started_at: str
    inits: Sequence[ContainerState]
    containers: Sequence[ContainerState]
    ended: bool = False


def pod_status(snapshot: Snapshot) -> Object:
    """The status to write, without what the API server itself keeps in it."""
    current = phase(snapshot)
    ip = {"podIP": snapshot.pod_ip, "podIPs": [{"ip": snapshot.pod_ip}]} if snapshot.pod_ip else {}
    return {
        "phase": current,
        "conditions": _conditions(snapshot, current),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        **ip,
        "startTime": snapshot.started_at,
        "containerStatuses": [state.status() for state in snapshot.containers],
        "observedGeneration": snapshot.pod["metadata"].get("generation", 1),
        **({"initContainerStatuses": [i.status() for i in snapshot.inits]} if snapshot.inits else {}),
    }


def phase(snapshot: Snapshot) -> Phase:
    policy = snapshot.pod["spec"].get("restartPolicy", "Always")
    sidecars = _sidecars(snapshot.pod)
    regular = [state for state in snapshot.inits if state.name not in sidecars]
    if any(_failed(state) for state in regular) and (policy == "Never" or snapshot.ended):
        return "Failed"
    if not _initialized(snapshot):
        return "Pending"
    # A container that waits to be started again has run, so it counts as stopped.
    ends = [state.terminated or state.last_state.get("terminated") for state in snapshot.containers]
    stopped = [end for end, state in zip(ends, snapshot.containers, strict=True) if end and not state.running]
    if len(stopped) < len(snapshot.containers):
        fresh = any(state.waiting and not end for state, end in zip(snapshot.containers, ends, strict=True))
        return "Pending" if fresh else "Running"
    if policy == "Always" and not snapshot.ended:
        return "Running"
    if all(end["exitCode"] == 0 for end in stopped):
        return "Succeeded"
    return "Failed" if policy == "Never" or snapshot.ended else "Running"


def _initialized(snapshot: Snapshot) -> bool:
    if any(state.ever_started for state in snapshot.containers):
        return True
    return not _incomplete(snapshot)


def _incomplete(snapshot: Snapshot) -> list[str]:
    sidecars = _sidecars(snapshot.pod)
    return [
        state.name
        for state in snapshot.inits
        if not (state.started if state.name in sidecars else _succeeded(state))
    ]


def _conditions(snapshot: Snapshot, current: Phase) -> list[Object]:
    incomplete = [] if _initialized(snapshot) else _incomplete(snapshot)
    initialized = _condition("Initialized", True, "PodCompleted" if current == "Succeeded" else "")
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = _condition("Initialized", False, "ContainersNotInitialized", message)
    sidecars = [state for state in snapshot.inits if state.name in _sidecars(snapshot.pod)]
    unready = [state.name for state in (*sidecars, *snapshot.containers) if not state.ready]
    if current in ("Succeeded", "Failed"):
        verdict = (False, "PodCompleted" if current == "Succeeded" else "PodFailed", "")
    elif unready:
        verdict = (False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    else:
        verdict = (True, "", "")
    fresh = [
        _condition("PodReadyToStartContainers", bool(snapshot.pod_ip) and not snapshot.ended),
        initialized,
        _condition("Ready", *verdict),
        _condition("ContainersReady", *verdict),
    ]
    conditions = (snapshot.pod.get("status") or {}).get("conditions") or []
    return [*_with_times(fresh, conditions), *(entry for entry in conditions if entry["type"] not in _OURS)]


def _with_times(fresh: list[Object], current: list[Object]) -> list[Object]:
    """A condition keeps the time at which it came to be what it is."""
    before = {entry["type"]: entry for entry in current}
    for entry in fresh:
        same = before.get(entry["type"], {})
        changed = same.get("status") != entry["status"]
        entry["lastTransitionTime"] = now() if changed else same["lastTransitionTime"]
    return fresh


def _condition(kind: str, true: bool, reason: str = "", message: str = "") -> Object:
    entry: Object = {"type": kind, "status": "True" if true else "False"}
    entry.update({"reason": reason} if reason else {})
    entry.update({"message": message} if message else {})
    return entry


def _sidecars(pod: Object) -> set[str]:
    """Init containers that are restarted run beside the others."""
    inits = pod["spec"].get("initContainers") or []
    return {container["name"] for container in inits if container.get("restartPolicy") == "Always"}


def _succeeded(state: ContainerState) -> bool:
    return bool(state.terminated) and state.state["terminated"]["exitCode"] == 0


def _failed(state: ContainerState) -> bool:
    return bool(state.terminated) and state.state["terminated"]["exitCode"] != 0
