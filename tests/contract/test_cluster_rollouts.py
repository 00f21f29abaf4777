"""What a rollout reads and changes on a cluster: weights, sizes, leftovers and changes of other clients."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, SERVICE, Kind
from bot.cluster.rollouts.rollouts import KubernetesRollouts
from bot.model.errors import Unavailable
from bot.model.manifest import Bundle, CandidateRequest
from bot.model.routing import Backend, Hosts, Routing, ServiceRoute
from tests.contract.cluster_harness import Harness, open_fence
from tests.contract.test_cluster_apply import SCALER
from tests.unit.cluster.manifests import deployment, service

_SUFFIX = "gr0123abcd"
_CANDIDATE = f"shop-{_SUFFIX}"
_BACKEND = Backend("shop", 80)
_ROUTING = Routing((ServiceRoute("shop", _BACKEND), ServiceRoute("admin", _BACKEND, host="admin")))
_HOSTS = Hosts("shop.preview.test", "shop.preview.test", {"admin": "admin.preview.test"})


@dataclass
class Fence:
    """Refuses the write with this number."""

    refused: int
    writes: int = 0

    async def __call__(self) -> None:
        self.writes += 1
        if self.writes == self.refused:
            raise Unavailable("The API server does not answer.")


@dataclass(frozen=True)
class Side:
    """Both revisions on the cluster, with a route for each of two hosts."""

    harness: Harness
    rollouts: KubernetesRollouts
    release: Bundle
    candidate: Bundle

    async def weights(self) -> list[list[int]]:
        routes = await self.harness.observer.list(HTTP_ROUTE, self.harness.namespace)
        return [
            [ref["weight"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]
            for route in sorted(routes.items, key=lambda item: str(item["metadata"]["name"]))
            if not route["metadata"]["name"].endswith(_SUFFIX)
        ]

    async def shift(self, weight: int, fence: Fence | None = None) -> None:
        await self.rollouts.shift(self.harness.namespace, self.release, _SUFFIX, weight, fence or open_fence)

    async def changed(self) -> list[str]:
        changed = await self.rollouts.changed(self.harness.namespace, self.candidate)
        return sorted(f"{item['kind']}/{item['metadata']['name']}" for item in changed)

    async def patch(self, kind: Kind, name: str, spec: Object) -> None:
        await self.harness.observer.patch(kind, name, {"spec": spec}, self.harness.namespace)

    async def size(self) -> tuple[int, int, int]:
        """The bounds of the stable autoscaler, and the size of its Deployment."""
        observer, namespace = self.harness.observer, self.harness.namespace
        scaler = (await observer.get(HORIZONTAL_POD_AUTOSCALER, "shop", namespace))["spec"]
        live = await observer.get(DEPLOYMENT, "shop", namespace)
        return scaler["minReplicas"], scaler["maxReplicas"], live["spec"]["replicas"]


async def _sides(harness: Harness, *more: Object, replicas: int | None = 2) -> Side:
    workload = deployment()
    if replicas is None:
        del workload["spec"]["replicas"]
    release = harness.render(workload, service(), *more, routing=_ROUTING, hosts=_HOSTS, tracks=True)
    rollouts = KubernetesRollouts(harness.api)
    await harness.prepare()
    await harness.apply(release)
    request = CandidateRequest(_SUFFIX, ("X-Candidate", "secret"), {"shop": 2})
    candidate = await rollouts.candidate(harness.namespace, release, request)
    await harness.apply(candidate)
    return Side(harness, rollouts, release, candidate)


async def test_failure_between_two_routes_returns_both(harness: Harness) -> None:
    sides = await _sides(harness)
    await sides.shift(20)
    assert await sides.weights() == [[80, 20], [80, 20]]
    with pytest.raises(Unavailable):
        await sides.shift(50, Fence(refused=2))
    assert await sides.weights() == [[80, 20], [80, 20]]


async def test_route_that_cannot_be_changed_does_not_keep_the_others(harness: Harness) -> None:
    sides = await _sides(harness)
    await sides.shift(100)
    with pytest.raises(Unavailable):
        await sides.rollouts.withdraw(harness.namespace, Fence(refused=1))
    assert sorted(await sides.weights()) == [[0, 100], [1]]
    await sides.rollouts.withdraw(harness.namespace, open_fence)
    assert await sides.weights() == [[1], [1]]


async def test_candidate_with_traffic_is_no_leftover(harness: Harness) -> None:
    sides = await _sides(harness)
    await sides.shift(100)
    assert await sides.rollouts.leftovers(harness.namespace) == []
    await sides.rollouts.withdraw(harness.namespace, open_fence)
    left = await sides.rollouts.leftovers(harness.namespace)
    assert {"Deployment", "Service"} <= {item["kind"] for item in left}


@pytest.mark.parametrize("replicas", [2, None])
async def test_stable_revision_has_the_size_of_the_candidate_at_the_finish(
    harness: Harness, replicas: int | None
) -> None:
    sides = await _sides(harness, SCALER, replicas=replicas)
    await sides.patch(DEPLOYMENT, _CANDIDATE, {"replicas": 5})
    size = await sides.rollouts.candidate_size(harness.namespace, sides.release, _SUFFIX)
    assert size == {"shop": 5}
    await sides.rollouts.keep_size(harness.namespace, size, open_fence)
    assert await sides.size() == (5, 5, 5)
    await harness.apply(sides.rollouts.at_size(sides.release, size))
    assert await sides.size() == (5, 5, 5)
    await harness.apply(sides.release)
    least, most, pods = await sides.size()
    assert (least, most) == (1, 3)
    # Without the field the autoscaler decides, and may have done so already.
    assert pods in ((replicas,) if replicas else (3, 5))


async def test_changes_of_other_clients_are_found(harness: Harness) -> None:
    sides = await _sides(harness)
    assert await sides.changed() == []
    await sides.patch(DEPLOYMENT, _CANDIDATE, {"replicas": 0})
    await harness.observer.delete(SERVICE, _CANDIDATE, harness.namespace)
    assert await sides.changed() == [f"Deployment/{_CANDIDATE}", f"Service/{_CANDIDATE}"]
    await harness.apply(sides.candidate)
    assert await sides.changed() == []


async def test_size_that_an_autoscaler_decides_is_no_change(harness: Harness) -> None:
    sides = await _sides(harness, copy.deepcopy(SCALER))
    await sides.patch(DEPLOYMENT, _CANDIDATE, {"replicas": 3})
    assert await sides.changed() == []
