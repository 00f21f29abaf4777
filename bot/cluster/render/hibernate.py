"""The objects of an environment that sleeps: everything is there, and nothing runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.manifest import Manifest

_SCALED = frozenset(("Deployment", "StatefulSet"))
_LEFT_OUT = frozenset(("Job", "Pod"))
"""They cannot be stopped and started: what was applied before stays as it is, and what is new has to wait."""


def hibernated(objects: Sequence[Manifest]) -> list[Manifest]:
    return [_stopped(each) for each in objects if each["kind"] not in _LEFT_OUT]


def _stopped(each: Manifest) -> Manifest:
    if each["kind"] in _SCALED:
        return {**each, "spec": {**each["spec"], "replicas": 0}}
    if each["kind"] == "CronJob":
        return {**each, "spec": {**each["spec"], "suspend": True}}
    return each
