"""Namespaces of environments: made with their rails, never taken over, deleted and watched until gone."""

from __future__ import annotations

import pytest

from bot.embedded.client.resources import (
    CONFIG_MAPS,
    LIMIT_RANGES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
)
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Superseded, Unavailable
from bot.model.manifest import Condition, NamespaceState, OwnedNamespace, Wave
from bot.model.size import Size
from tests.contract.cluster_harness import SIZE, Desk, eventually, open_fence
from tests.unit.cluster.manifests import deployment, service


async def state(desk: Desk) -> NamespaceState:
    return (await desk.namespaces.namespace(desk.namespace, desk.key)).state


async def strangers(desk: Desk, **metadata: object) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": desk.namespace, **metadata}}
    await desk.eyes.create(NAMESPACES, body)


async def test_a_namespace_is_made_with_its_rails(desk: Desk):
    assert await state(desk) is NamespaceState.ABSENT
    await desk.prepare()
    assert await state(desk) is NamespaceState.OURS
    for resource in (RESOURCE_QUOTAS, LIMIT_RANGES, NETWORK_POLICIES):
        assert await desk.eyes.find(resource, "greenroom", desk.namespace), resource.kind
    account = await desk.eyes.get(SERVICE_ACCOUNTS, "default", desk.namespace)
    assert account["automountServiceAccountToken"] is False


async def test_pods_without_confinement_are_refused_in_it(desk: Desk):
    await desk.prepare()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": desk.namespace},
        "spec": {"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]},
    }

    async def refused() -> bool:
        with pytest.raises(Exception, match="forbidden") as caught:
            await desk.eyes.create(PODS, pod)
        return "violates PodSecurity" in str(caught.value)

    await eventually(refused)


async def test_preparing_again_changes_nothing(desk: Desk):
    await desk.prepare()
    await desk.prepare()

    async def versions() -> list[str]:
        rails = (RESOURCE_QUOTAS, LIMIT_RANGES, NETWORK_POLICIES)
        live = [await desk.eyes.get(each, "greenroom", desk.namespace) for each in rails]
        live.append(await desk.eyes.get(SERVICE_ACCOUNTS, "default", desk.namespace))
        live.append(await desk.eyes.get(NAMESPACES, desk.namespace))
        return [each["metadata"]["resourceVersion"] for each in live]

    async def quota_counted() -> bool:
        quota = await desk.eyes.get(RESOURCE_QUOTAS, "greenroom", desk.namespace)
        return bool((quota.get("status") or {}).get("used"))

    await eventually(quota_counted)
    before = await versions()
    await desk.prepare()
    assert await versions() == before


async def test_another_size_is_held_to_at_once(desk: Desk):
    await desk.prepare()
    await desk.prepare(size=Size("1", "1Gi", "1Gi", "2"))
    quota = await desk.eyes.get(RESOURCE_QUOTAS, "greenroom", desk.namespace)
    assert quota["spec"]["hard"]["pods"] == "2"
    limits = await desk.eyes.get(LIMIT_RANGES, "greenroom", desk.namespace)
    assert limits["spec"]["limits"][0]["max"] == {"cpu": "1", "memory": "1Gi"}


async def test_pods_beyond_the_size_are_told_in_kubernetes_words(desk: Desk):
    await desk.prepare(size=Size("1", "1Gi", "1Gi", "9"))
    container = {"name": "shop", "image": "x", "resources": {"requests": {"memory": "800Mi"}}}
    bundle = desk.render(deployment(containers=[container]), service())
    await desk.apply(bundle)
    states = await desk.settled(*bundle.waves[Wave.WORKLOADS])
    [told] = [f"{state.message} {state.detail}" for state in states if state.condition is Condition.FAILED]
    assert "exceeded quota: greenroom" in told
    assert "limited: requests.memory=1Gi" in told


async def test_rails_that_somebody_took_away_come_back(desk: Desk):
    await desk.prepare()
    await desk.eyes.delete(NETWORK_POLICIES, "greenroom", desk.namespace)
    await desk.prepare()
    assert await desk.eyes.find(NETWORK_POLICIES, "greenroom", desk.namespace)


async def test_a_newer_generation_is_not_overtaken_by_an_older_one(desk: Desk):
    await desk.prepare(generation=5)
    await desk.prepare(generation=6)
    with pytest.raises(Superseded):
        await desk.prepare(generation=5)
    live = await desk.eyes.get(NAMESPACES, desk.namespace)
    assert live["metadata"]["annotations"]["greenroom.dev/generation"] == "6"


async def test_a_strangers_namespace_is_neither_used_nor_deleted(desk: Desk):
    await strangers(desk)
    before = await desk.eyes.get(NAMESPACES, desk.namespace)
    assert await state(desk) is NamespaceState.FOREIGN
    with pytest.raises(Rejected, match="does not belong to this environment"):
        await desk.prepare()
    with pytest.raises(Rejected, match="left alone"):
        await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)
    after = await desk.eyes.get(NAMESPACES, desk.namespace)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not await desk.eyes.find(NETWORK_POLICIES, "greenroom", desk.namespace)


async def test_another_environments_namespace_is_a_strangers(desk: Desk):
    other = EnvironmentKey.preview(desk.key.repository_id, 8)
    labels = {"app.kubernetes.io/managed-by": "greenroom", "greenroom.dev/environment": other.label}
    await strangers(desk, labels=labels)
    assert await state(desk) is NamespaceState.FOREIGN


async def test_a_closed_fence_stops_before_anything_is_written(desk: Desk):
    async def closed() -> None:
        raise Superseded("somebody else holds it")

    with pytest.raises(Superseded):
        await desk.namespaces.prepare(desk.namespace, desk.key, desk.repository, 1, SIZE, closed)
    assert await state(desk) is NamespaceState.ABSENT
    await desk.prepare()
    with pytest.raises(Superseded):
        await desk.namespaces.delete_namespace(desk.namespace, desk.key, closed)
    assert await state(desk) is NamespaceState.OURS


async def test_deletion_is_watched_until_gone_and_says_what_holds_it(desk: Desk):
    await desk.prepare()
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": desk.namespace, "finalizers": ["example.com/hold"]},
    }
    await desk.eyes.create(CONFIG_MAPS, body)
    await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)
    assert await state(desk) is NamespaceState.TERMINATING

    async def told() -> bool:
        view = await desk.namespaces.namespace(desk.namespace, desk.key)
        return "example.com/hold" in view.blockers

    await eventually(told)
    with pytest.raises(Unavailable, match="still being deleted"):
        await desk.prepare()
    # Once more does no harm.
    await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)
    await desk.eyes.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, desk.namespace)

    async def gone() -> bool:
        return await state(desk) is NamespaceState.ABSENT

    await eventually(gone)
    await desk.namespaces.delete_namespace(desk.namespace, desk.key, open_fence)


async def test_the_sweep_sees_what_is_ours_with_its_repository(desk: Desk):
    await desk.prepare()
    found = [each for each in await desk.namespaces.owned_namespaces() if each.name == desk.namespace]
    assert found == [OwnedNamespace(desk.namespace, desk.key, desk.repository, terminating=False)]
    assert await desk.namespaces.owned_namespace(desk.namespace) == found[0]
    assert await desk.namespaces.owned_namespace("default") is None
    assert await desk.namespaces.owned_namespace("gr-nowhere") is None
