"""Objects are applied in waves, fenced, again without effect, and pruned when a commit drops them."""

from __future__ import annotations

import asyncio

import pytest

from bot.embedded.client import Resource
from bot.embedded.client.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    JOBS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
)
from bot.model.errors import Rejected, Superseded, Unavailable
from bot.model.manifest import Wave
from tests.contract.cluster_harness import Desk, open_fence
from tests.unit.cluster.manifests import config_map, deployment, job, service, stateful_set

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "files"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "db"},
    "stringData": {"password": "hunter2"},
}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "reader"},
    "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "shop"}],
}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "shop"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "shop"}}},
}
SCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "shop"},
    "spec": {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}
NIGHTLY = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly"},
    "spec": {
        "schedule": "0 3 * * *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "n", "image": "ghcr.io/acme/shop"}],
                    }
                }
            }
        },
    },
}
EVERYTHING = (
    deployment(),
    service(),
    stateful_set(),
    service("db", 5432, clusterIP="None"),
    config_map(A="1"),
    SECRET,
    ROLE,
    BINDING,
    ACCOUNT,
    CLAIM,
    BUDGET,
    SCALER,
    NIGHTLY,
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "own"},
        "spec": {"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}]},
    },
)


async def test_every_kind_that_the_guard_lets_through_is_taken(desk: Desk):
    await desk.prepare()
    bundle = desk.render(*EVERYTHING, seed=job(), checks=(job("smoke"),), config={"B": "2"})
    await desk.apply(bundle)
    await desk.workloads.apply(desk.namespace, list(bundle.checks.values()), open_fence)
    live = await desk.eyes.get(DEPLOYMENTS, "shop", desk.namespace)
    assert live["metadata"]["labels"]["greenroom.dev/environment"] == desk.key.label
    template = live["spec"]["template"]
    assert template["metadata"]["labels"]["greenroom.dev/release"] == bundle.release.id
    for resource, name in ((HTTP_ROUTES, "greenroom-route"), (CONFIG_MAPS, "greenroom-config")):
        assert await desk.eyes.find(resource, name, desk.namespace)


async def test_applying_the_same_again_writes_nothing(desk: Desk):
    await desk.prepare()
    bundle = desk.render(*EVERYTHING, seed=job())
    await desk.apply(bundle)

    async def generations() -> dict[str, object]:
        found: dict[str, object] = {}
        for resource in (DEPLOYMENTS, STATEFUL_SETS, JOBS, SERVICES, CONFIG_MAPS, HTTP_ROUTES):
            for each in (await desk.eyes.list(resource, desk.namespace)).items:
                metadata = each["metadata"]
                managed = [
                    entry["time"]
                    for entry in metadata.get("managedFields", [])
                    if entry["manager"] == "greenroom"
                ]
                found[f"{resource.kind}/{metadata['name']}"] = (metadata.get("generation"), managed)
        return found

    before = await generations()
    await asyncio.sleep(1.1)  # managedFields tell seconds
    await desk.apply(bundle)
    assert await generations() == before


async def test_a_field_that_a_commit_drops_is_dropped(desk: Desk):
    await desk.prepare()
    await desk.apply(desk.render(deployment(), service(), config_map(A="1", B="2")))
    await desk.apply(desk.render(deployment(), service(), config_map(A="1")))
    assert (await desk.eyes.get(CONFIG_MAPS, "shop", desk.namespace))["data"] == {"A": "1"}


async def test_what_somebody_changed_by_hand_is_taken_back(desk: Desk):
    await desk.prepare()
    bundle = desk.render(deployment(), service(), config_map(A="1"))
    await desk.apply(bundle)
    await desk.eyes.patch(CONFIG_MAPS, "shop", {"data": {"A": "mine"}}, desk.namespace)
    await desk.apply(bundle)
    assert (await desk.eyes.get(CONFIG_MAPS, "shop", desk.namespace))["data"] == {"A": "1"}


async def test_a_fence_that_closes_on_the_way_stops_the_rest(desk: Desk):
    await desk.prepare()
    bundle = desk.render(deployment(), service(), *(config_map(f"c{number:02}") for number in range(30)))
    passes = iter(range(5))

    async def closing() -> None:
        if next(passes, None) is None:
            raise Superseded("a newer head is known")

    with pytest.raises(Superseded):
        await desk.workloads.apply(desk.namespace, bundle.waves[Wave.CONFIGURATION], closing)
    written = [
        each
        for each in (await desk.eyes.list(CONFIG_MAPS, desk.namespace)).items
        if each["metadata"]["name"].startswith("c")
    ]
    assert len(written) == 5


async def test_a_refusal_is_told_in_the_words_of_kubernetes(desk: Desk):
    await desk.prepare()
    await desk.apply(desk.render(deployment(), service(), stateful_set(), service("db")))
    changed = stateful_set()
    changed["spec"]["serviceName"] = "other"
    with pytest.raises(Rejected) as caught:
        await desk.apply(desk.render(deployment(), service(), changed, service("db")))
    assert "StatefulSet/db" in str(caught.value)
    assert "field is immutable" in str(caught.value)


async def test_a_value_that_kubernetes_does_not_take_names_the_field(desk: Desk):
    await desk.prepare()
    broken = deployment()
    broken["spec"]["replicas"] = "many"
    with pytest.raises(Rejected, match="replicas"):
        await desk.apply(desk.render(broken, service()))


async def test_the_value_of_a_secret_is_never_told(desk: Desk):
    await desk.prepare()
    broken = {**SECRET, "data": {"password": "hunter2-is-not-base64!"}}
    with pytest.raises(Rejected) as caught:
        await desk.apply(desk.render(deployment(), service(), broken))
    assert "Secret/db" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.detail} {caught.value!r}"


async def test_without_its_namespace_nothing_is_refused_for_good(desk: Desk):
    with pytest.raises(Unavailable, match="not found"):
        await desk.apply(desk.render(deployment(), service()))


async def test_objects_of_another_namespace_are_never_applied(desk: Desk):
    with pytest.raises(ValueError, match="another namespace"):
        await desk.workloads.apply("default", desk.render().waves[Wave.WORKLOADS], open_fence)


async def test_prune_takes_what_the_commit_dropped_and_leaves_data_and_strangers(desk: Desk):
    await desk.prepare()
    await desk.apply(desk.render(*EVERYTHING, seed=job(), config={"B": "2"}))
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "by-hand", "namespace": desk.namespace},
    }
    await desk.eyes.create(CONFIG_MAPS, body)

    lean = desk.render(deployment(), service(), CLAIM)
    await desk.apply(lean)
    await desk.workloads.prune(desk.namespace, lean, open_fence)

    async def names(resource: Resource) -> list[str]:
        return sorted(
            each["metadata"]["name"] for each in (await desk.eyes.list(resource, desk.namespace)).items
        )

    assert await names(DEPLOYMENTS) == ["shop"]
    assert await names(STATEFUL_SETS) == []
    assert await names(SERVICES) == ["shop"]
    assert await names(SECRETS) == []
    assert [name for name in await names(CONFIG_MAPS) if name != "kube-root-ca.crt"] == ["by-hand"]
    assert await names(NETWORK_POLICIES) == ["greenroom"]
    assert await names(SERVICE_ACCOUNTS) == ["default"]
    assert "files" in await names(PERSISTENT_VOLUME_CLAIMS)
    assert await names(HTTP_ROUTES) == ["greenroom-route"]


async def test_prune_keeps_everything_of_the_release(desk: Desk):
    await desk.prepare()
    bundle = desk.render(*EVERYTHING, seed=job(), checks=(job("smoke"),), config={"B": "2"})
    await desk.apply(bundle)
    await desk.workloads.apply(desk.namespace, list(bundle.checks.values()), open_fence)
    fenced = []

    async def counting() -> None:
        fenced.append(1)

    await desk.workloads.prune(desk.namespace, bundle, counting)
    assert fenced == []
