"""Drift on a cluster: every change is found and named, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace

import pytest

from bot.cluster.client.api import Object
from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import DEPLOYMENT, SECRET
from bot.cluster.drift import COMPARED, KubernetesDrift
from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.inventory import Declared, name_of
from bot.infrastructure.drift.objects import undeclared_paths
from bot.infrastructure.drift.round import Round
from bot.model.drift import DriftKind, Finding
from bot.model.manifest import Bundle, Manifest, Wave
from tests.contract.cluster_harness import SIZE, Harness, eventually, open_fence
from tests.contract.drift_cases import CASES, Case
from tests.contract.test_cluster_apply import (
    ACCOUNT,
    BINDING,
    BUDGET,
    CREDENTIALS,
    NIGHTLY,
    ROLE,
    SCALER,
)
from tests.unit.cluster.manifests import config_map, deployment, service, stateful_set


def _shop() -> Object:
    manifest = deployment()
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container |= {
        "env": [{"name": "MODE", "value": "production"}],
        # Another notation of what the API server stores.
        "resources": {"requests": {"cpu": "0.1", "memory": "64Mi"}},
    }
    return manifest


class NoRegistry:
    """No test runs pods."""

    async def resolve(self, image: str, tag: str) -> str | None:
        raise AssertionError(image)

    async def digests(self, image: str, digest: str) -> Collection[str]:
        raise AssertionError(image)

    async def exists(self, reference: str) -> bool:
        raise AssertionError(reference)


class Calls:
    """Telemetry of the client."""

    def __init__(self) -> None:
        self.reads = self.writes = 0

    def cluster_call(self, method: str, status: int | None) -> None:
        self.reads += method == "GET"
        self.writes += method != "GET"


@dataclass(frozen=True)
class Deployed:
    harness: Harness
    bundle: Bundle
    declared: Declared
    live_objects: KubernetesDrift
    round: Round
    calls: Calls

    @classmethod
    async def of(cls, harness: Harness, client: KubernetesDrift, calls: Calls, *more: Object) -> Deployed:
        everything = (
            _shop(), service(), stateful_set(), service("db", 5432, clusterIP="None"),
            config_map("settings", A="1"), CREDENTIALS, ROLE, BINDING, ACCOUNT, BUDGET, NIGHTLY, *more,
        )  # fmt: skip
        await harness.prepare()
        bundle = harness.render(*everything, config={"B": "2"})
        await harness.apply(bundle)
        rails = await client.guard_rails(harness.namespace, harness.key, harness.repository, SIZE, fork=False)
        kept = (Wave.CONFIGURATION, Wave.DATA, Wave.WORKLOADS, Wave.ROUTE)
        objects = [manifest for wave in kept for manifest in bundle.waves[wave]]
        declared = Declared((*rails, *objects))
        rounds = Round(client, NoRegistry(), b"key", Exceptions())
        return cls(harness, bundle, declared, client, rounds, calls)

    async def findings(self) -> tuple[Finding, ...]:
        """Without those of pods: there is no node, so that no rollout finishes."""
        compared = await self.round.compare(self.harness.namespace, self.declared, {})
        assert compared.comparison.unreadable == ()
        results = compared.comparison.findings
        return tuple(item for item in results if not item.object.startswith("Pod/"))

    async def heal(self) -> None:
        compared = await self.round.compare(self.harness.namespace, self.declared, {})
        objects = {finding.object for finding in compared.comparison.findings}
        for name, manifest in self.declared.by_name.items():
            if "/".join(name) in objects:
                live = compared.live.by_name.get(name)
                paths = undeclared_paths(manifest, live, self.round.rules) if live else []
                await self.live_objects.restore(manifest, live, paths, open_fence)


SCALER_OF_OTHER = {
    **SCALER,
    "spec": {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
    },
}


@pytest.fixture
async def deployed(harness: Harness) -> AsyncIterator[Deployed]:
    calls = Calls()
    async with await connect(harness.kubeconfig, calls) as api:
        client = KubernetesDrift(api, harness.namespaces)
        yield await Deployed.of(harness, client, calls, SCALER_OF_OTHER)


@pytest.mark.long
async def test_every_change_is_found_named_and_healed(deployed: Deployed):
    """One environment for all cases: its preparation takes most of the time."""
    assert await deployed.findings() == (), "what was just applied has drifted"
    assert len(CASES) >= 25
    problems = [f"{case.name}: {problem}" for case in CASES for problem in await _problems(deployed, case)]
    assert not problems, "\n".join(problems)


async def _problems(deployed: Deployed, case: Case) -> list[str]:
    """What is wrong with how the case is found and healed. Leaves the environment clean."""
    harness = deployed.harness
    await case.change(harness.observer, harness.namespace)
    results = await deployed.findings()
    expected = (case.kind, case.object.format(namespace=harness.namespace), case.path)
    named = [item.identity for item in results]
    problems = [] if expected in named else [f"{expected} is not in {named}"]
    if others := [name for _, name, _ in named if name != expected[1]]:
        problems.append(f"also found {others}")
    if "canary" in repr(results):
        problems.append("shows a value of a Secret")
    removes = case.kind is DriftKind.REMOVED or case.name.startswith("removed")
    if not removes and not all(item.manager == "test" and item.at is not None for item in results):
        problems.append(f"is not attributed: {results}")
    if case.kind is DriftKind.ADDED_OBJECT:
        kind, _, name = case.object.partition("/")
        await harness.observer.delete(
            next(item for item in COMPARED if item.name == kind), name, harness.namespace
        )
    else:
        await deployed.heal()
    if remaining := [item.identity for item in await deployed.findings()]:
        problems.append(f"is not healed: {remaining}")
    return problems


async def test_round_needs_one_call_per_kind_and_one_per_changed_object(deployed: Deployed):

    async def unchanged() -> bool:
        """Controllers change annotations until they have seen all objects."""
        deployed.calls.reads = deployed.calls.writes = 0
        assert await deployed.findings() == ()
        assert deployed.calls.reads == len(COMPARED) + 1
        return deployed.calls.writes == 0

    await eventually(unchanged)
    patch = {"spec": {"replicas": 5}}
    await deployed.harness.observer.patch(DEPLOYMENT, "shop", patch, deployed.harness.namespace)
    await deployed.findings()
    assert deployed.calls.writes == 1


async def test_replicas_under_an_autoscaler_are_not_drift(harness: Harness):
    async with await connect(harness.kubeconfig) as api:
        deployed = await Deployed.of(harness, KubernetesDrift(api, harness.namespaces), Calls(), SCALER)
        await harness.observer.patch(
            DEPLOYMENT, "shop", {"spec": {"replicas": 3}}, harness.namespace, subresource="scale"
        )
        assert await deployed.findings() == ()


async def test_restart_of_a_rollout_is_not_drift(deployed: Deployed):
    annotations = {"kubectl.kubernetes.io/restartedAt": "2030-01-01T00:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    await deployed.harness.observer.patch(DEPLOYMENT, "shop", patch, deployed.harness.namespace)
    assert await deployed.findings() == ()


async def test_field_under_the_name_of_our_manager_is_found(deployed: Deployed):
    async with await connect(deployed.harness.kubeconfig) as api:
        patch = {"metadata": {"labels": {"team": "unknown"}}}
        await api.patch(DEPLOYMENT, "shop", patch, deployed.harness.namespace)
    assert [item.path for item in await deployed.findings()] == ["metadata.labels.team"]


async def test_object_without_recorded_ownership_is_unknown(deployed: Deployed):
    observer, namespace = deployed.harness.observer, deployed.harness.namespace
    await observer.patch(SECRET, "db", {"metadata": {"managedFields": [{}]}}, namespace)
    compared = await deployed.round.compare(namespace, deployed.declared, {})
    assert [item.subject for item in compared.comparison.unreadable] == ["Secret/db"]


async def test_kind_that_cannot_be_listed_is_unknown(deployed: Deployed):
    async with await connect(deployed.harness.kubeconfig) as api:
        client = _WithoutConfigMaps(api, deployed.harness.namespaces)
        blind = replace(deployed, live_objects=client, round=replace(deployed.round, live_objects=client))
        compared = await blind.round.compare(deployed.harness.namespace, deployed.declared, {})
    assert [item.subject for item in compared.comparison.unreadable] == ["ConfigMap"]
    assert compared.comparison.findings == ()


class _WithoutConfigMaps(KubernetesDrift):
    async def read(self, namespace: str, declared: Collection[Manifest]):
        live = await super().read(namespace, tuple(declared))
        objects = tuple(item for item in live.objects if name_of(item)[0] != "ConfigMap")
        return replace(live, objects=objects, unreadable={"ConfigMap": "refused"})
