"""Objects that the tests create, and how their conditions are read."""

from __future__ import annotations

from typing import Any

from bot.cluster.client.api import Object
from bot.embedded.controllers.objects import find_condition

LABELS = {"app": "shop"}


def template(image: str = "shop:1", **spec: Any) -> Object:
    container = {"name": "shop", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [container], **spec}}


def workload(kind: str, name: str = "shop", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template(), **spec},
    }


def job(**spec: Any) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed"},
        "spec": {"template": template(restartPolicy="Never"), **spec},
    }


def condition(item: Object, kind: str) -> tuple[str, str]:
    value = find_condition(item, kind) or {}
    return value.get("status", ""), value.get("reason", "")
