"""How applied objects are doing: one list per kind, and for what failed the words of the one who knows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.client.api import Collection, KubernetesApi
from bot.cluster.client.kinds import EVENT, POD, Kind, kind_of
from bot.cluster.health.events import admission_refusal, newest_first, related_events
from bot.cluster.health.health import ASSESSORS, Health, assess, pods_of
from bot.cluster.health.pod_failures import ContainerLog
from bot.cluster.names import ENVIRONMENT, RELEASE
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Condition, Manifest, ObjectState

Object = Mapping[str, Any]

_LOG_LINES = 20
_LONGEST_DETAIL = 4000
_EVENTS = 5
_RUNNING = frozenset(("Deployment", "StatefulSet", "Job"))
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class KubernetesHealth:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        """The state of each object, in the order of `objects`."""
        judged = {kind_of(manifest) for manifest in objects if manifest["kind"] in ASSESSORS}
        listed = judged | ({POD} if any(kind.name in _RUNNING for kind in judged) else set())
        live = await _lists(self._api, namespace, sorted(listed, key=lambda kind: kind.name))
        pods = list(live.get("Pod", {}).values())
        verdicts = [assess(manifest, _live(live, manifest), pods) for manifest in objects]
        unfinished = any(judgement.condition is not Condition.READY for judgement in verdicts)
        events = await _warnings(self._api, namespace) if unfinished else []
        return await asyncio.gather(
            *(
                _state(
                    self._api,
                    namespace,
                    manifest,
                    _refused(judgement, manifest, live, events),
                    related_events(manifest, pods, events),
                )
                for manifest, judgement in zip(objects, verdicts, strict=True)
            )
        )

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        """Whether a pod of another release still runs or terminates behind the route."""
        pods = await self._api.list(POD, namespace, labels=f"{RELEASE},{RELEASE}!={release_id}")
        phases = [(pod.get("status") or {}).get("phase") for pod in pods.items]
        return any(phase not in ("Succeeded", "Failed") for phase in phases)

    async def running(self, namespace: str) -> Sequence[str]:
        """Image references of all running and starting pods, as requested and as reported by nodes."""
        pods = await self._api.list(POD, namespace, labels=ENVIRONMENT)
        return [reference for pod in pods.items if not _ends(pod) for reference in _references(pod)]


def _ends(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def _references(pod: Object) -> Iterator[str]:
    spec, status = pod["spec"], pod.get("status") or {}
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        yield container["image"]
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        # Some runtimes say how they pulled it: `docker-pullable://ghcr.io/acme/shop@sha256:…`
        yield str(container.get("imageID") or "").rpartition("//")[2]


def printable(text: str, longest: int = _LONGEST_DETAIL) -> str:
    """The end of a text, without what steers a terminal or turns its direction."""
    cleaned = _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n"))).strip("\n")
    return cleaned[-longest:]


async def _lists(api: KubernetesApi, namespace: str, kinds: Sequence[Kind]) -> dict[str, dict[str, Object]]:
    """Kind to name to live object."""
    found: list[Collection] = await asyncio.gather(
        *(api.list(kind, namespace, labels=ENVIRONMENT) for kind in kinds)
    )
    return {
        kind.name: {each["metadata"]["name"]: each for each in collection.items}
        for kind, collection in zip(kinds, found, strict=True)
    }


def _live(live: Mapping[str, Mapping[str, Object]], manifest: Manifest) -> Object | None:
    return live.get(manifest["kind"], {}).get(manifest["metadata"]["name"])


def _refused(
    judgement: Health,
    manifest: Manifest,
    live: Mapping[str, Mapping[str, Object]],
    events: Sequence[Object],
) -> Health:
    """Of pods that are refused (quota, Pod Security) only events tell, but for a Deployment."""
    found = _live(live, manifest)
    if judgement.condition is not Condition.PROGRESSING or found is None:
        return judgement
    if pods_of(manifest, list(live.get("Pod", {}).values())):
        return judgement
    words = admission_refusal(found, events)
    return Health(Condition.FAILED, f"its pods are refused: {words}") if words else judgement


async def _state(
    api: KubernetesApi, namespace: str, manifest: Manifest, judgement: Health, events: str
) -> ObjectState:
    name = manifest["metadata"]["name"]
    detail = events if judgement.condition is not Condition.READY else ""
    if judgement.condition is Condition.FAILED and judgement.log is not None:
        detail = await _log(api, namespace, judgement.log) or events
    return ObjectState(
        manifest["kind"], name, judgement.condition, printable(judgement.message), printable(detail)
    )


async def _log(api: KubernetesApi, namespace: str, suspect: ContainerLog) -> str:
    """The last lines; of the run that goes on when the one before is not kept; "" when there is none."""
    for previous in (True, False) if suspect.previous else (False,):
        try:
            text = await api.log(
                namespace, suspect.pod, suspect.container, lines=_LOG_LINES, previous=previous
            )
        except (Rejected, Unavailable):
            continue
        if text.strip():
            return text
    return ""


async def _warnings(api: KubernetesApi, namespace: str) -> list[Object]:
    """Warning events, the latest first; without them there is less to tell, but no error."""
    try:
        found = await api.list(EVENT, namespace, fields="type=Warning")
    except (Rejected, Unavailable):
        return []
    return newest_first(found.items)
