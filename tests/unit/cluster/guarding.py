"""Manifests for tests of the guard, and functions that pass them through it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.cluster.guard.check import Guarded, check
from bot.cluster.manifests import read
from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused
from bot.settings import PodSecurity
from tests.unit.cluster.manifests import NAMESPACE, POLICY, Object, deployment, files

BASELINE = ClusterPolicy(POLICY.gateway_namespace, POLICY.gateway_name, POLICY.domain, PodSecurity.BASELINE)


def guard(*manifests: object, policy: ClusterPolicy = POLICY) -> Guarded:
    return check(read(files(*manifests), ["deploy"]), NAMESPACE, policy)


def refusal(*manifests: object, policy: ClusterPolicy = POLICY) -> str:
    with pytest.raises(ManifestRefused) as caught:
        guard(*manifests, policy=policy)
    return str(caught.value)


def changes(*manifests: object, policy: ClusterPolicy = POLICY) -> list[str]:
    """The removed and replaced fields, with object and new value."""
    changed = guard(*manifests, policy=policy).notes
    texts = (f"{change.object} {change.field} {change.value}" for change in changed)
    return [text.strip() for text in texts]


def put(manifest: Object, path: str, value: object) -> Object:
    """The manifest with a value at a path such as `spec.ports[0].nodePort`."""
    changed = copy.deepcopy(manifest)
    place: Any = changed
    *way, last = path.replace("[", ".[").split(".")
    for part in way:
        if part.startswith("["):
            index = int(part[1:-1])
            while len(place) <= index:
                place.append({})
            place = place[index]
        else:
            following = way[way.index(part) + 1] if way.index(part) + 1 < len(way) else last
            place = place.setdefault(part, [] if following.startswith("[") else {})
    if last.startswith("["):
        place.append(value)
    else:
        place[last] = value
    return changed


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers[0]"
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "b"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
    "subjects": [{"kind": "ServiceAccount", "name": "shop"}],
}
POLICY_OBJECT = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "net"}}
CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"}, "spec": {}}
CRON = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly"},
    "spec": {"jobTemplate": {"spec": {"template": deployment()["spec"]["template"]}}},
}


def rule(**fields: object) -> Object:
    granted: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **fields}
    return {**ROLE, "rules": [granted]}
