"""Server-side apply: fenced, idempotent and pruned."""

from __future__ import annotations

import asyncio

import pytest

from bot.cluster.client import kinds
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    JOB,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from bot.cluster.names import CONFIG, ENVIRONMENT
from bot.model.errors import Rejected, Superseded, Unavailable
from bot.model.manifest import Bundle, Wave
from tests.contract.cluster_harness import Harness, open_fence
from tests.unit.cluster.manifests import config_map, deployment, job, service, stateful_set

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "files"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
CREDENTIALS = {
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
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "shop"}}},
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
                        "containers": [{"name": "nightly", "image": "ghcr.io/acme/shop"}],
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
    CREDENTIALS,
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


async def test_apply_accepts_every_allowed_kind(harness: Harness):
    await harness.prepare()
    bundle = harness.render(*EVERYTHING, seed=job(), checks=(job("smoke"),), config={"B": "2"})
    await harness.apply(bundle)
    await harness.workloads.apply(harness.namespace, list(bundle.checks.values()), open_fence)
    live = await harness.observer.get(DEPLOYMENT, "shop", harness.namespace)
    assert live["metadata"]["labels"]["greenroom.dev/environment"] == harness.key.label
    template = live["spec"]["template"]
    assert template["metadata"]["labels"]["greenroom.dev/release"] == bundle.release.id
    for resource, name in ((HTTP_ROUTE, "greenroom-route"), (CONFIG_MAP, "greenroom-config")):
        assert await harness.observer.find(resource, name, harness.namespace)


async def test_apply_is_idempotent(harness: Harness):
    await harness.prepare()
    bundle = harness.render(*EVERYTHING, seed=job())
    await harness.apply(bundle)

    async def generations() -> dict[str, object]:
        versions: dict[str, object] = {}
        for resource in (DEPLOYMENT, STATEFUL_SET, JOB, SERVICE, CONFIG_MAP, HTTP_ROUTE):
            for live in (await harness.observer.list(resource, harness.namespace)).items:
                metadata = live["metadata"]
                managed = [
                    entry["time"]
                    for entry in metadata.get("managedFields", [])
                    if entry["manager"] == "greenroom"
                ]
                versions[f"{resource.name}/{metadata['name']}"] = (metadata.get("generation"), managed)
        return versions

    before = await generations()
    await asyncio.sleep(1.1)  # managedFields have a resolution of 1 s
    await harness.apply(bundle)
    assert await generations() == before


async def test_apply_removes_dropped_fields(harness: Harness):
    await harness.prepare()
    await harness.apply(harness.render(deployment(), service(), config_map(A="1", B="2")))
    await harness.apply(harness.render(deployment(), service(), config_map(A="1")))
    assert (await harness.observer.get(CONFIG_MAP, "shop", harness.namespace))["data"] == {"A": "1"}


async def test_apply_reverts_manual_changes(harness: Harness):
    await harness.prepare()
    bundle = harness.render(deployment(), service(), config_map(A="1"))
    await harness.apply(bundle)
    await harness.observer.patch(CONFIG_MAP, "shop", {"data": {"A": "mine"}}, harness.namespace)
    await harness.apply(bundle)
    assert (await harness.observer.get(CONFIG_MAP, "shop", harness.namespace))["data"] == {"A": "1"}


async def test_apply_stops_when_the_fence_closes(harness: Harness):
    await harness.prepare()
    bundle = harness.render(deployment(), service(), *(config_map(f"c{number:02}") for number in range(30)))
    passes = iter(range(5))

    async def closing() -> None:
        if next(passes, None) is None:
            raise Superseded("a newer head is known")

    with pytest.raises(Superseded):
        await harness.workloads.apply(harness.namespace, bundle.waves[Wave.CONFIGURATION], closing)
    written = [
        live
        for live in (await harness.observer.list(CONFIG_MAP, harness.namespace)).items
        if live["metadata"]["name"].startswith("c")
    ]
    assert len(written) == 5


async def test_refusal_quotes_kubernetes(harness: Harness):
    await harness.prepare()
    await harness.apply(harness.render(deployment(), service(), stateful_set(), service("db")))
    changed = stateful_set()
    changed["spec"]["serviceName"] = "other"
    with pytest.raises(Rejected) as caught:
        await harness.apply(harness.render(deployment(), service(), changed, service("db")))
    assert "StatefulSet/db" in str(caught.value)
    assert "field is immutable" in str(caught.value)


async def test_refusal_names_the_invalid_field(harness: Harness):
    await harness.prepare()
    broken = deployment()
    broken["spec"]["replicas"] = "many"
    with pytest.raises(Rejected, match="replicas"):
        await harness.apply(harness.render(broken, service()))


async def test_refusal_of_a_secret_hides_its_values(harness: Harness):
    await harness.prepare()
    broken = {**CREDENTIALS, "data": {"password": "hunter2-is-not-base64!"}}
    with pytest.raises(Rejected) as caught:
        await harness.apply(harness.render(deployment(), service(), broken))
    assert "Secret/db" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.detail} {caught.value!r}"


async def test_apply_without_namespace_is_unavailable(harness: Harness):
    with pytest.raises(Unavailable, match="does not exist"):
        await harness.apply(harness.render(deployment(), service()))


async def test_apply_rejects_objects_of_another_namespace(harness: Harness):
    with pytest.raises(ValueError, match="a namespace other than"):
        await harness.workloads.apply("default", harness.render().waves[Wave.WORKLOADS], open_fence)


async def test_prune_deletes_only_dropped_objects(harness: Harness):
    await harness.prepare()
    await harness.apply(harness.render(*EVERYTHING, seed=job(), config={"B": "2"}))
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "by-hand", "namespace": harness.namespace},
    }
    await harness.observer.create(CONFIG_MAP, body)

    lean = harness.render(deployment(), service(), CLAIM)
    await harness.apply(lean)
    await harness.workloads.prune(harness.namespace, lean, open_fence)

    async def names(resource: Kind) -> list[str]:
        return sorted(
            live["metadata"]["name"]
            for live in (await harness.observer.list(resource, harness.namespace)).items
        )

    assert await names(DEPLOYMENT) == ["shop"]
    assert await names(STATEFUL_SET) == []
    assert await names(SERVICE) == ["shop"]
    assert await names(SECRET) == []
    assert [name for name in await names(CONFIG_MAP) if name != "kube-root-ca.crt"] == ["by-hand", CONFIG]
    assert await names(NETWORK_POLICY) == ["greenroom"]
    assert await names(SERVICE_ACCOUNT) == ["default"]
    assert "files" in await names(PERSISTENT_VOLUME_CLAIM)
    assert await names(HTTP_ROUTE) == ["greenroom-route"]


async def test_sleep_deletes_what_starts_workloads_and_keeps_the_rest(harness: Harness):
    container = {"name": "worker", "image": "ghcr.io/acme/shop"}
    worker = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker"},
        "spec": {"containers": [container]},
    }
    await harness.prepare()
    await harness.apply(harness.render(*EVERYTHING, worker))

    async def present(kind: Kind) -> dict[str, dict[str, object]]:
        listed = await harness.observer.list(kind, harness.namespace, labels=ENVIRONMENT)
        return {
            live["metadata"]["name"]: live["spec"]
            for live in listed.items
            if not live["metadata"].get("deletionTimestamp") and not live["metadata"].get("ownerReferences")
        }

    assert "worker" in await present(kinds.POD)
    await harness.workloads.stop(harness.namespace, harness.key, open_fence)
    await harness.apply(harness.render(*EVERYTHING, worker, asleep=True))
    for kind in (HTTP_ROUTE, kinds.HORIZONTAL_POD_AUTOSCALER, kinds.POD):
        assert await present(kind) == {}
    assert (await present(DEPLOYMENT))["shop"]["replicas"] == 0
    assert (await present(STATEFUL_SET))["db"]["replicas"] == 0
    assert (await present(kinds.CRON_JOB))["nightly"]["suspend"] is True
    assert "files" in await present(PERSISTENT_VOLUME_CLAIM)
    assert "shop" in await present(SERVICE)

    await harness.apply(harness.render(*EVERYTHING, worker))
    assert (await present(DEPLOYMENT))["shop"]["replicas"] == 2
    assert "shop" in await present(kinds.HORIZONTAL_POD_AUTOSCALER)


async def test_withdraw_deletes_withheld_objects(harness: Harness):
    await harness.prepare()
    given = harness.render(*EVERYTHING, config={"B": "2"}, secrets="digest")
    await harness.apply(given)
    await harness.workloads.inject(
        harness.namespace, harness.key, harness.repository, {"TOKEN": "hunter22"}, open_fence
    )

    async def withdraw(bundle: Bundle, *, fork: bool) -> set[str]:
        await harness.workloads.withdraw(harness.namespace, harness.key, bundle, open_fence, fork=fork)
        withheld = (CONFIG_MAP, kinds.ROLE, kinds.ROLE_BINDING, SECRET, SERVICE_ACCOUNT)
        lists = [await harness.observer.list(kind, harness.namespace) for kind in withheld]
        present = {
            f"{kind.name}/{live['metadata']['name']}"
            for kind, objects in zip(withheld, lists, strict=True)
            for live in objects.items
        }
        return present - {"ConfigMap/kube-root-ca.crt", "RoleBinding/greenroom", "ServiceAccount/default"}

    everything = await withdraw(given, fork=False)
    assert "Secret/greenroom-secrets" in everything
    own = harness.render(deployment(), service(), config_map(A="2"))
    assert await withdraw(own, fork=False) == everything - {"Secret/greenroom-secrets"}
    assert await withdraw(own, fork=True) == {f"ConfigMap/{CONFIG}", "ConfigMap/shop"}
    assert await harness.observer.find(STATEFUL_SET, "db", harness.namespace), "workloads are pruned later"


async def test_prune_keeps_objects_of_the_release(harness: Harness):
    await harness.prepare()
    bundle = harness.render(*EVERYTHING, seed=job(), checks=(job("smoke"),), config={"B": "2"})
    await harness.apply(bundle)
    await harness.workloads.apply(harness.namespace, list(bundle.checks.values()), open_fence)
    fenced = []

    async def counting() -> None:
        fenced.append(1)

    await harness.workloads.prune(harness.namespace, bundle, counting)
    assert fenced == []


async def test_unknown_field_is_refused_by_name(harness: Harness):
    """The guard knows the fields of one version; a cluster of another one must not drop them silently."""
    await harness.prepare()
    [manifest] = [
        m for m in harness.render(deployment(), service()).waves[Wave.WORKLOADS] if m["kind"] == "Service"
    ]
    misspelt = {**manifest, "spec": {**manifest["spec"], "prots": []}}
    with pytest.raises(Rejected, match="prots"):
        await harness.workloads.apply(harness.namespace, [misspelt], open_fence)
