"""Namespaces of environments: preparation, ownership and deletion."""

from __future__ import annotations

import pytest

from bot.cluster.client.kinds import (
    CONFIG_MAP,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    RESOURCE_QUOTA,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
)
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Superseded, Unavailable
from bot.model.manifest import Condition, NamespaceState, OwnedNamespace, Wave
from bot.model.size import Size
from tests.contract.cluster_harness import APP_ID, SIZE, Harness, eventually, open_fence
from tests.unit.cluster.manifests import deployment, service


async def state(harness: Harness) -> NamespaceState:
    return (await harness.namespaces.namespace(harness.namespace, harness.key)).state


async def create_foreign(harness: Harness, **metadata: object) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": harness.namespace, **metadata}}
    await harness.observer.create(NAMESPACE, body)


async def test_prepare_creates_namespace_and_guard_rails(harness: Harness):
    assert await state(harness) is NamespaceState.ABSENT
    await harness.prepare()
    assert await state(harness) is NamespaceState.OURS
    for resource in (RESOURCE_QUOTA, LIMIT_RANGE, NETWORK_POLICY):
        assert await harness.observer.find(resource, "greenroom", harness.namespace), resource.name
    account = await harness.observer.get(SERVICE_ACCOUNT, "default", harness.namespace)
    assert account["automountServiceAccountToken"] is False


async def test_namespace_of_a_fork_is_restricted(harness: Harness):
    for fork, level in ((False, "baseline"), (True, "restricted")):
        await harness.prepare(fork=fork)
        live = await harness.observer.get(NAMESPACE, harness.namespace)
        assert live["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level


async def test_namespace_enforces_pod_security(harness: Harness):
    await harness.prepare()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": harness.namespace},
        "spec": {"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]},
    }

    async def refused() -> bool:
        with pytest.raises(Exception, match="forbidden") as caught:
            await harness.observer.create(POD, pod)
        return "violates PodSecurity" in str(caught.value)

    await eventually(refused)


async def test_prepare_is_idempotent(harness: Harness):
    await harness.prepare()
    await harness.prepare()

    async def versions() -> list[str]:
        rails = (RESOURCE_QUOTA, LIMIT_RANGE, NETWORK_POLICY)
        live = [await harness.observer.get(live, "greenroom", harness.namespace) for live in rails]
        live.append(await harness.observer.get(SERVICE_ACCOUNT, "default", harness.namespace))
        live.append(await harness.observer.get(NAMESPACE, harness.namespace))
        return [live["metadata"]["resourceVersion"] for live in live]

    async def quota_counted() -> bool:
        quota = await harness.observer.get(RESOURCE_QUOTA, "greenroom", harness.namespace)
        return bool((quota.get("status") or {}).get("used"))

    await eventually(quota_counted)
    before = await versions()
    await harness.prepare()
    assert await versions() == before


async def test_prepare_updates_the_quota(harness: Harness):
    await harness.prepare()
    await harness.prepare(size=Size("1", "1Gi", "1Gi", "2"))
    quota = await harness.observer.get(RESOURCE_QUOTA, "greenroom", harness.namespace)
    assert quota["spec"]["hard"]["pods"] == "2"
    limits = await harness.observer.get(LIMIT_RANGE, "greenroom", harness.namespace)
    assert limits["spec"]["limits"][0]["max"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"}


async def test_pods_above_the_quota_are_reported(harness: Harness):
    await harness.prepare(size=Size("1", "1Gi", "1Gi", "9"))
    container = {
        "name": "shop",
        "image": "ghcr.io/acme/shop:1.0",
        "resources": {"requests": {"memory": "800Mi"}},
    }
    bundle = harness.render(deployment(containers=[container]), service())
    await harness.apply(bundle)
    states = await harness.settled(*bundle.waves[Wave.WORKLOADS])
    [message] = [f"{state.message} {state.detail}" for state in states if state.condition is Condition.FAILED]
    assert "exceeded quota: greenroom" in message
    assert "limited: requests.memory=1Gi" in message


async def test_prepare_restores_deleted_guard_rails(harness: Harness):
    await harness.prepare()
    await harness.observer.delete(NETWORK_POLICY, "greenroom", harness.namespace)
    await harness.prepare()
    assert await harness.observer.find(NETWORK_POLICY, "greenroom", harness.namespace)


async def test_prepare_rejects_an_older_generation(harness: Harness):
    await harness.prepare(generation=5)
    await harness.prepare(generation=6)
    with pytest.raises(Superseded):
        await harness.prepare(generation=5)
    live = await harness.observer.get(NAMESPACE, harness.namespace)
    assert live["metadata"]["annotations"]["greenroom.dev/generation"] == "6"


async def test_foreign_namespace_is_not_used_or_deleted(harness: Harness):
    await create_foreign(harness)
    before = await harness.observer.get(NAMESPACE, harness.namespace)
    assert await state(harness) is NamespaceState.FOREIGN
    with pytest.raises(Rejected, match="does not belong to this environment"):
        await harness.prepare()
    with pytest.raises(Rejected, match="is not changed"):
        await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
    after = await harness.observer.get(NAMESPACE, harness.namespace)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not await harness.observer.find(NETWORK_POLICY, "greenroom", harness.namespace)


async def test_namespace_of_another_environment_is_foreign(harness: Harness):
    other = EnvironmentKey.preview(harness.key.repository_id, 8)
    labels = {"app.kubernetes.io/managed-by": "greenroom", "greenroom.dev/environment": other.label}
    await create_foreign(harness, labels=labels)
    assert await state(harness) is NamespaceState.FOREIGN


async def test_namespace_of_another_app_is_not_used_listed_or_deleted(harness: Harness):
    labels = _labels(harness) | {"greenroom.dev/app": str(APP_ID + 1)}
    annotations = {"greenroom.dev/repository": "acme/shop", "greenroom.dev/installation": "99"}
    await create_foreign(harness, labels=labels, annotations=annotations)
    before = await harness.observer.get(NAMESPACE, harness.namespace)
    assert await state(harness) is NamespaceState.FOREIGN
    with pytest.raises(Rejected, match="does not belong to this environment"):
        await harness.prepare()
    with pytest.raises(Rejected, match="is not changed"):
        await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
    assert harness.namespace not in [owned.name for owned in await harness.namespaces.owned_namespaces()]
    assert await harness.namespaces.owned_namespace(harness.namespace) is None
    assert await harness.observer.get(NAMESPACE, harness.namespace) == before


@pytest.mark.parametrize("deleted", [False, True])
async def test_namespace_of_an_earlier_version_gets_the_app_and_rights(harness: Harness, deleted: bool):
    await create_foreign(harness, labels=_labels(harness))
    assert await state(harness) is NamespaceState.OURS
    if deleted:
        await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
        assert await state(harness) in (NamespaceState.TERMINATING, NamespaceState.ABSENT)
        return
    await harness.prepare()
    live = await harness.observer.get(NAMESPACE, harness.namespace)
    assert live["metadata"]["labels"]["greenroom.dev/app"] == str(APP_ID)
    assert await harness.observer.find(ROLE_BINDING, "greenroom", harness.namespace)


def _labels(harness: Harness) -> dict[str, str]:
    """The labels that earlier versions set."""
    return {
        "app.kubernetes.io/managed-by": "greenroom",
        "greenroom.dev/environment": harness.key.label,
        "pod-security.kubernetes.io/enforce": "restricted",
    }


async def test_closed_fence_prevents_all_writes(harness: Harness):
    async def closed() -> None:
        raise Superseded("another worker holds the claim")

    with pytest.raises(Superseded):
        await harness.namespaces.prepare(
            harness.namespace, harness.key, harness.repository, 1, SIZE, closed, fork=False
        )
    assert await state(harness) is NamespaceState.ABSENT
    await harness.prepare()
    with pytest.raises(Superseded):
        await harness.namespaces.delete_namespace(harness.namespace, harness.key, closed)
    assert await state(harness) is NamespaceState.OURS


async def test_deletion_reports_blockers_until_complete(harness: Harness):
    await harness.prepare()
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": harness.namespace, "finalizers": ["example.com/hold"]},
    }
    await harness.observer.create(CONFIG_MAP, body)
    await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
    assert await state(harness) is NamespaceState.TERMINATING

    async def is_reported() -> bool:
        view = await harness.namespaces.namespace(harness.namespace, harness.key)
        return "example.com/hold" in view.blockers

    await eventually(is_reported)
    with pytest.raises(Unavailable, match="still being deleted"):
        await harness.prepare()
    # Once more does no harm.
    await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)
    await harness.observer.patch(CONFIG_MAP, "held", {"metadata": {"finalizers": None}}, harness.namespace)

    async def gone() -> bool:
        return await state(harness) is NamespaceState.ABSENT

    await eventually(gone)
    await harness.namespaces.delete_namespace(harness.namespace, harness.key, open_fence)


async def test_owned_namespaces_have_their_repository(harness: Harness):
    await harness.prepare()
    namespaces = [
        live for live in await harness.namespaces.owned_namespaces() if live.name == harness.namespace
    ]
    assert namespaces == [
        OwnedNamespace(harness.namespace, harness.key, harness.repository, terminating=False, generation=1)
    ]
    assert await harness.namespaces.owned_namespace(harness.namespace) == namespaces[0]
    assert await harness.namespaces.owned_namespace("default") is None
    assert await harness.namespaces.owned_namespace("gr-nowhere") is None
