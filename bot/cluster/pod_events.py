"""What events add to the status of pods and claims. Pure; all events are given newest first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

_MOUNT = frozenset(("FailedMount", "FailedAttachVolume", "FailedMapVolume"))
_SANDBOX = frozenset(("FailedCreatePodSandBox", "FailedCreatePodContainer", "NetworkNotReady"))
_CLAIM = frozenset(("ProvisioningFailed", "FailedBinding"))
_PROBES = re.compile(r"failed (liveness|startup) probe")
_PULL = re.compile(r'^(Back-off pulling|Failed to pull) image "[^"]*"(: |$)')
_ERROR = re.compile(r"^(ErrImagePull|RegistryUnavailable|SignatureValidationFailed): ")
_RPC = re.compile(r"rpc error: code = \w+ desc = ")
_ID = re.compile(r"(?<![:\w])[0-9a-f]{12,64}\b")
"""Ids of sandboxes and containers, which differ with each retry. A digest follows a colon and stays."""


def is_relevant(event: Object) -> bool:
    """Whether an event is about a problem; two of them have the type Normal."""
    return event.get("type") == "Warning" or event.get("reason") in ("Killing", "FailedBinding")


def event_time(event: Object) -> str:
    """The time of an event as Kubernetes stores it; "" when it has none."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), "")


def start_problem(pod: Object, events: Sequence[Object]) -> str:
    """Why the pod's containers are not created: a volume or its network; "" without an event about it."""
    for event in _about(pod, events, _MOUNT | _SANDBOX):
        message = _stable(event)
        return message if event["reason"] in _MOUNT else f"its sandbox cannot be created: {message}"
    return ""


def probe_failure(pod: Object, container: str, kinds: Collection[str], events: Sequence[Object]) -> str:
    """The latest failure of one of these kinds of probes, in the kubelet's words."""
    for event in _about(pod, events, ("Unhealthy",), container):
        message = _stable(event)
        if message.startswith(tuple(f"{kind} probe" for kind in kinds)):
            return message
    return ""


def probe_kill(pod: Object, container: str, since: str, events: Sequence[Object]) -> str:
    """Which probe ended the container's run that started at `since`; "" when none did."""
    for event in _about(pod, events, ("Killing",), container):
        probe = _PROBES.search(str(event.get("message")))
        if probe and event_time(event)[:19] >= since[:19]:
            words = probe_failure(pod, container, (probe[1].capitalize(),), events)
            return f"killed by its {probe[1]} probe{f' ({words})' if words else ''}"
    return ""


def pull_problem(pod: Object, container: str, message: str, events: Sequence[Object]) -> str:
    """The cause of a failed pull: the same text while the kubelet tries and while it backs off."""
    messages = [
        message,
        *(str(event.get("message")) for event in _about(pod, events, ("Failed",), container)),
    ]
    for text in messages:
        if text is message or _PULL.match(text):
            cause = _RPC.sub("", _ERROR.sub("", _PULL.sub("", text)))
            if cause:
                return cause
    return ""


def claim_problem(pod: Object, events: Sequence[Object]) -> str:
    """Why a claim of the pod is not bound; "" without an event about it."""
    names = claims(pod)
    for event in events:
        involved = event.get("involvedObject") or {}
        name = involved.get("name")
        if (
            event.get("reason") in _CLAIM
            and involved.get("kind") == "PersistentVolumeClaim"
            and name in names
        ):
            return f'claim "{name}": {_stable(event)}'
    return ""


def claims(pod: Object) -> set[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes
        if "persistentVolumeClaim" in volume
    }


def _about(
    pod: Object, events: Sequence[Object], reasons: Collection[str], container: str = ""
) -> Iterator[Object]:
    metadata = pod["metadata"]
    for event in events:
        involved = event.get("involvedObject") or {}
        if (
            event.get("reason") in reasons
            and (involved.get("kind"), involved.get("name")) == ("Pod", metadata["name"])
            # A StatefulSet's next pod has the same name.
            and involved.get("uid", metadata.get("uid")) == metadata.get("uid")
            and (not container or f"{{{container}}}" in str(involved.get("fieldPath")))
        ):
            yield event


def _stable(event: Object) -> str:
    """The event's message without what differs with each retry."""
    return _ID.sub("…", _RPC.sub("", " ".join(str(event.get("message")).split())))
