"""Reads the health of applied objects: one list per kind, then events and logs of what failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.cluster.client.api import Collection, KubernetesApi
from bot.cluster.client.kinds import EVENT, POD, Kind, kind_of
from bot.cluster.health.events import admission_refusal, newest_first, related_events
from bot.cluster.health.health import ASSESSORS, Health, Surroundings, assess, is_custom, pods_of
from bot.cluster.names import ENVIRONMENT, RELEASE, TEMPLATE, TRACK, object_name
from bot.cluster.pod_events import is_relevant
from bot.cluster.pod_failures import ContainerLog
from bot.cluster.pod_templates import containers, pod_template
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Condition, Manifest, ObjectState, RunningContainer
from bot.model.plain_text import plain_text

Object = Mapping[str, Any]

_LOG_LINES = 20
_MAX_DETAIL = 4000
_EVENTS = 5
_DIGEST = re.compile(r"([0-9a-f]{64})$")
_RUNNING = frozenset(("Deployment", "StatefulSet", "Job"))


class KubernetesHealth:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        """The state of each object, in the order of `objects`."""
        assessed = {
            kind_of(manifest) for manifest in objects if manifest["kind"] in ASSESSORS or is_custom(manifest)
        }
        listed = assessed | ({POD} if any(kind.name in _RUNNING for kind in assessed) else set())
        live = await _lists(self._api, namespace, sorted(listed, key=lambda kind: kind.name))
        pods = list(live.get("Pod", {}).values())
        surroundings = Surroundings(pods, now=datetime.now(UTC))
        healths = [assess(manifest, _live(live, manifest), surroundings) for manifest in objects]
        events: Sequence[Object] = ()
        if any(health.condition is not Condition.READY for health in healths):
            events = await _problems(self._api, namespace)
            surroundings = replace(surroundings, events=events)
            healths = [assess(manifest, _live(live, manifest), surroundings) for manifest in objects]
        return await asyncio.gather(
            *(
                _state(
                    self._api,
                    namespace,
                    manifest,
                    _refused(health, manifest, live, events),
                    related_events(manifest, pods, events),
                )
                for manifest, health in zip(objects, healths, strict=True)
            )
        )

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        """Whether a pod of another release still runs or terminates behind the route."""
        pods = await self._api.list(POD, namespace, labels=f"{RELEASE},{RELEASE}!={release_id}")
        phases = [(pod.get("status") or {}).get("phase") for pod in pods.items]
        return any(phase not in ("Succeeded", "Failed") for phase in phases)

    async def running(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[RunningContainer]:
        """The containers of all running and starting pods, with their images in `objects`."""
        pods = await self._api.list(POD, namespace, labels=ENVIRONMENT)
        return running_containers(pods.items, objects)


def running_containers(pods: Sequence[Object], objects: Sequence[Manifest]) -> list[RunningContainer]:
    """The containers of those pods that run or start, with their images in `objects`. Pure."""
    images = {**_images_by_stateful_set(objects), **_images_by_revision(objects)}
    return [container for pod in pods if not _ends(pod) for container in _running(pod, images)]


def _ends(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def _images_by_revision(objects: Sequence[Manifest]) -> dict[str, dict[str, str]]:
    """The image of each container, by the revision of its pod template."""
    templates = [template for manifest in objects if (template := pod_template(manifest)) is not None]
    return {template["metadata"]["annotations"][TEMPLATE]: _images(template) for template in templates}


def _images_by_stateful_set(objects: Sequence[Manifest]) -> dict[str, dict[str, str]]:
    """The image of each container, by the name of its StatefulSet."""
    return {
        object_name(manifest): _images(manifest["spec"]["template"])
        for manifest in objects
        if manifest["kind"] == "StatefulSet"
    }


def _images(template: Object) -> dict[str, str]:
    return {container["name"]: container["image"] for container in containers(template)}


def _running(pod: Object, images: Mapping[str, Mapping[str, str]]) -> Iterator[RunningContainer]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    revision = (metadata.get("annotations") or {}).get(TEMPLATE, "")
    # A StatefulSet with `OnDelete` or a partition keeps pods of an earlier revision permanently.
    owners = (f"{owner['kind']}/{owner['name']}" for owner in metadata.get("ownerReferences") or ())
    expected = next((images[key] for key in (revision, *owners) if key in images), {})
    statuses = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    reported = {of_container["name"]: str(of_container.get("imageID") or "") for of_container in statuses}
    for container in containers(pod):
        name = container["name"]
        # `ghcr.io/acme/shop@sha256:…`, `docker-pullable://…@sha256:…`, `docker://sha256:…` or digits alone
        digest = _DIGEST.search(reported.get(name, ""))
        yield RunningContainer(
            metadata["name"],
            name,
            container["image"],
            f"sha256:{digest[1]}" if digest else "",
            expected.get(name, ""),
            (metadata.get("labels") or {}).get(TRACK, ""),
        )


def printable(text: str, limit: int = _MAX_DETAIL) -> str:
    """The last `limit` characters of a text, without control characters."""
    return plain_text(text).strip("\n")[-limit:]


async def _lists(api: KubernetesApi, namespace: str, kinds: Sequence[Kind]) -> dict[str, dict[str, Object]]:
    """Live objects by kind and name."""
    lists: list[Collection] = await asyncio.gather(
        *(api.list(kind, namespace, labels=ENVIRONMENT) for kind in kinds)
    )
    return {
        kind.name: {live["metadata"]["name"]: live for live in collection.items}
        for kind, collection in zip(kinds, lists, strict=True)
    }


def _live(live: Mapping[str, Mapping[str, Object]], manifest: Manifest) -> Object | None:
    return live.get(manifest["kind"], {}).get(manifest["metadata"]["name"])


def _refused(
    health: Health,
    manifest: Manifest,
    live: Mapping[str, Mapping[str, Object]],
    events: Sequence[Object],
) -> Health:
    """Failed if events show rejected pods (quota, Pod Security); only Deployments have a condition for it."""
    live_object = _live(live, manifest)
    if health.condition is not Condition.PROGRESSING or live_object is None:
        return health
    if pods_of(manifest, list(live.get("Pod", {}).values())):
        return health
    reason = admission_refusal(live_object, events)
    return Health(Condition.FAILED, f"its pods are rejected: {reason}") if reason else health


async def _state(
    api: KubernetesApi, namespace: str, manifest: Manifest, health: Health, events: str
) -> ObjectState:
    name = manifest["metadata"]["name"]
    detail = events if health.condition is not Condition.READY else ""
    if health.condition is Condition.FAILED and health.log is not None:
        detail = await _log(api, namespace, health.log) or events
    return ObjectState(
        manifest["kind"],
        name,
        health.condition,
        printable(health.message),
        printable(detail),
        health.blocked,
        health.recovers_at,
        health.attempts,
    )


async def _log(api: KubernetesApi, namespace: str, source: ContainerLog) -> str:
    """The last log lines, of the current run when the previous one is not kept; "" when there are none."""
    for previous in (True, False) if source.previous else (False,):
        try:
            text = await api.log(namespace, source.pod, source.container, lines=_LOG_LINES, previous=previous)
        except (Rejected, Unavailable):
            continue
        if text.strip():
            return text
    return ""


async def _problems(api: KubernetesApi, namespace: str) -> list[Object]:
    """Events about problems, newest first; empty when they cannot be read, since they are optional detail."""
    try:
        events = await api.list(EVENT, namespace)
    except (Rejected, Unavailable):
        return []
    return newest_first([event for event in events.items if is_relevant(event)])
