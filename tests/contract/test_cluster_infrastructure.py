"""The namespace of an environment's infrastructure, and what is kept in it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bot.cluster.client.kinds import CONFIG_MAP, JOB, LEASE, NAMESPACE, POD, ROLE, ROLE_BINDING, SECRET
from bot.cluster.infrastructure.driver import KubernetesInfrastructure
from bot.cluster.infrastructure.objects import CREDENTIALS, INPUT, PLAN, PLAN_STATE, STATE
from bot.cluster.infrastructure.policy import TerraformPolicy
from bot.model.drift import DriftKind, Finding
from bot.model.errors import Rejected, Unavailable
from bot.model.infrastructure import DRIFT_SLOT, InfrastructureRecord, InfrastructureRequest, Run, RunKind
from bot.model.manifest import NamespaceState
from bot.model.naming import infrastructure_namespace
from tests.contract.cluster_harness import APP_ID, Harness, open_fence

MODULE = {"main.tf": b'variable "password" {}', "modules/a/main.tf": b"# nothing"}
REQUEST = InfrastructureRequest(MODULE, {"name": "pr-7", "password": "hunter-22"}, ("password",))
RUN = Run(RunKind.PLAN, 1)
CREDENTIAL = "AKIA-credential"


@pytest.fixture
async def namespace(harness: Harness) -> AsyncIterator[str]:
    name = infrastructure_namespace(harness.namespace)
    yield name
    await harness.observer.delete(NAMESPACE, name)


def driver(harness: Harness, **granted: Any) -> KubernetesInfrastructure:
    policy = TerraformPolicy(image="registry.example/tofu:1", **granted)
    return KubernetesInfrastructure(harness.api, policy, harness.health, APP_ID, b"key")


async def prepare(harness: Harness, namespace: str, **granted: Any) -> KubernetesInfrastructure:
    infrastructure = driver(harness, **granted)
    await infrastructure.prepare(namespace, harness.key, harness.repository, REQUEST, open_fence)
    return infrastructure


async def store_state(harness: Harness, namespace: str, name: str, state: Mapping[str, Any]) -> None:
    data = {"tfstate": base64.b64encode(gzip.compress(json.dumps(state).encode())).decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    await harness.observer.create(SECRET, body, namespace)


async def test_prepared_namespace_has_module_inputs_and_a_confined_account(
    harness: Harness, namespace: str
) -> None:
    infrastructure = await prepare(harness, namespace)
    labels = (await harness.observer.get(NAMESPACE, namespace))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "greenroom.dev/environment" not in labels
    [role] = (await harness.observer.list(ROLE, namespace)).items
    named = [rule for rule in role["rules"] if "get" in rule["verbs"]]
    assert named
    assert all(rule["resourceNames"] for rule in named)
    view = await infrastructure.observe(namespace, harness.key)
    assert view.namespace is NamespaceState.OURS
    assert view.state is None
    assert "hunter-22" in view.concealed
    assert "hunter-22" not in repr(view)
    modules = await harness.observer.list(CONFIG_MAP, namespace, fields="metadata.name=greenroom-module")
    assert "hunter-22" not in json.dumps(modules.items)
    assert namespace not in {owned.name for owned in await harness.namespaces.owned_namespaces()}


async def test_run_gets_the_operators_credentials_and_no_secret_in_its_arguments(
    harness: Harness, namespace: str
) -> None:
    vault = f"{harness.namespace}-vault"
    await harness.observer.create(
        NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": vault}}
    )
    infrastructure = await prepare(harness, namespace, credentials={"acme/*": (f"{vault}/aws",)})
    with pytest.raises(Rejected, match=r"docs/secrets\.md"):
        await infrastructure.start(namespace, harness.key, harness.repository, RUN, open_fence)
    await prepare(harness, namespace)
    infrastructure = driver(harness)
    await infrastructure.start(namespace, harness.key, harness.repository, RUN, open_fence)
    [job] = (await harness.observer.list(JOB, namespace)).items
    assert "hunter-22" not in json.dumps(job)
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    paths = {item["path"] for item in pod["volumes"][0]["configMap"]["items"]}
    assert paths == set(MODULE)
    assert not (await harness.observer.list(SECRET, namespace, fields=f"metadata.name={CREDENTIALS}")).items
    await harness.observer.delete(NAMESPACE, vault)


async def test_record_plan_and_state_survive(harness: Harness, namespace: str) -> None:
    infrastructure = await prepare(harness, namespace)
    record = InfrastructureRecord(RUN, finished=False, digest="abc")
    await infrastructure.record(namespace, harness.key, record, open_fence)
    state = {
        "version": 4,
        "outputs": {
            "url": {"value": "db.example", "type": "string"},
            "password": {"value": "made-by-terraform", "type": "string", "sensitive": True},
        },
        "resources": [
            {"mode": "data", "type": "x", "name": "x", "instances": [{}]},
            {"mode": "managed", "type": "y", "name": "y", "instances": [{}, {}]},
        ],
    }
    await store_state(harness, namespace, STATE, state)
    change = {"address": "y.y[0]", "mode": "managed", "change": {"actions": ["delete", "create"]}}
    saved = {
        "version": 4,
        "outputs": {
            "plan": {"value": base64.b64encode(b"plan").decode()},
            "json": {"value": json.dumps({"resource_changes": [change]})},
            "lock": {"value": ""},
        },
        "resources": [],
    }
    await store_state(harness, namespace, PLAN_STATE, saved)
    view = await infrastructure.observe(namespace, harness.key)
    assert view.record == record
    assert view.state is not None
    assert view.state.resources == 2
    assert view.state.outputs["url"].value == "db.example"
    assert "made-by-terraform" in view.concealed
    assert "db.example" not in view.concealed
    plan = await infrastructure.saved_plan(namespace)
    assert plan.summary.replaced == ("y.y[0]",)
    await infrastructure.keep_plan(namespace, harness.key, plan, open_fence)
    names = {secret["metadata"]["name"] for secret in (await harness.observer.list(SECRET, namespace)).items}
    assert {PLAN, INPUT, STATE} <= names
    assert PLAN_STATE not in names
    await infrastructure.discard_plan(namespace, open_fence)
    assert not (await harness.observer.list(SECRET, namespace, fields=f"metadata.name={PLAN}")).items


async def test_plan_of_a_promotion_is_beside_that_of_the_environment(
    harness: Harness, namespace: str
) -> None:
    infrastructure = await prepare(harness, namespace)
    own = InfrastructureRecord(RUN, digest="own")
    await infrastructure.record(namespace, harness.key, own, open_fence)
    before = await _names(harness, namespace)
    run = Run(RunKind.PLAN, 1, "p0123")
    request = InfrastructureRequest(MODULE, {"password": "planned-77"}, ("password",))
    await infrastructure.prepare(namespace, harness.key, harness.repository, request, open_fence, "p0123")
    await infrastructure.record(namespace, harness.key, InfrastructureRecord(run), open_fence)
    await infrastructure.start(namespace, harness.key, harness.repository, run, open_fence)
    jobs = {job["metadata"]["name"]: job for job in (await harness.observer.list(JOB, namespace)).items}
    pod = jobs["greenroom-plan-1-p0123"]["spec"]["template"]["spec"]
    assert "-lock-timeout" not in pod["containers"][0]["command"][2], "it stops no run of the environment"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["input"]["secret"]["secretName"] == "greenroom-input-p0123"
    assert volumes["module"]["configMap"]["name"] == "greenroom-module-p0123"
    view = await infrastructure.observe(namespace, harness.key)
    assert view.record == own
    assert {"hunter-22", "planned-77"} <= set(view.concealed)
    planned = await infrastructure.observe(namespace, harness.key, "p0123")
    assert planned.record.run == run

    await infrastructure.discard_promotion(namespace, harness.key, "p0123", open_fence)
    assert await _names(harness, namespace) == before


async def _names(harness: Harness, namespace: str) -> set[tuple[str, str]]:
    kinds = (CONFIG_MAP, SECRET, ROLE, ROLE_BINDING, JOB)
    return {
        (kind.name, item["metadata"]["name"])
        for kind in kinds
        for item in (await harness.observer.list(kind, namespace)).items
        if "deletionTimestamp" not in item["metadata"]
    }


async def test_lock_is_released_only_when_no_pod_can_hold_it(harness: Harness, namespace: str) -> None:
    infrastructure = await prepare(harness, namespace)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "killed"}}
    await harness.observer.create(LEASE, {**lease, "metadata": {"name": f"lock-{STATE}"}}, namespace)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "run"},
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "image": "a",
                    "securityContext": {
                        "runAsNonRoot": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ]
        },
    }
    await harness.observer.create(POD, pod, namespace)
    with pytest.raises(Unavailable, match="pod run has not ended"):
        await infrastructure.start(namespace, harness.key, harness.repository, RUN, open_fence)
    await harness.observer.delete(POD, "run", namespace, grace_seconds=0)
    await infrastructure.start(namespace, harness.key, harness.repository, RUN, open_fence)
    assert not (await harness.observer.list(LEASE, namespace)).items


async def test_namespace_of_others_is_neither_used_nor_deleted(harness: Harness, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await harness.observer.create(NAMESPACE, body)
    infrastructure = driver(harness)
    assert (await infrastructure.observe(namespace, harness.key)).namespace is NamespaceState.FOREIGN
    with pytest.raises(Rejected, match="does not belong"):
        await infrastructure.prepare(namespace, harness.key, harness.repository, REQUEST, open_fence)
    await infrastructure.delete(namespace, harness.key, open_fence)
    assert await harness.observer.find(NAMESPACE, namespace) is not None


async def test_comparison_gets_what_was_applied_and_runs_only_alone(harness: Harness, namespace: str) -> None:
    infrastructure = await prepare(harness, namespace)
    before = await _names(harness, namespace)
    compare = Run(RunKind.COMPARE, 7, DRIFT_SLOT)

    async def start(run: Run) -> None:
        await infrastructure.start(namespace, harness.key, harness.repository, run, open_fence)

    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "a person"}}
    await harness.observer.create(LEASE, {**lease, "metadata": {"name": f"lock-{STATE}"}}, namespace)
    with pytest.raises(Unavailable, match="locked"):
        await start(compare)
    await harness.observer.delete(LEASE, f"lock-{STATE}", namespace)
    await start(compare)
    jobs = {job["metadata"]["name"]: job for job in (await harness.observer.list(JOB, namespace)).items}
    pod = jobs[compare.name]["spec"]["template"]["spec"]
    script = pod["containers"][0]["command"][2]
    assert "-detailed-exitcode" in script
    assert "-lock-timeout" not in script
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["input"]["secret"]["secretName"] == INPUT
    assert volumes["module"]["configMap"]["name"] == "greenroom-module"

    await start(RUN)
    names = {
        job["metadata"]["name"]
        for job in (await harness.observer.list(JOB, namespace)).items
        if "deletionTimestamp" not in job["metadata"]
    }
    assert names == {RUN.name}, "another run ends it"
    with pytest.raises(Unavailable, match=r"greenroom-(?:plan-1|compare-7-drift) has not ended"):
        await start(Run(RunKind.COMPARE, 8, DRIFT_SLOT))
    await infrastructure.discard_promotion(namespace, harness.key, DRIFT_SLOT, open_fence)
    assert await _names(harness, namespace) == before | {("Job", RUN.name)}


async def test_comparison_names_resources_without_values(harness: Harness, namespace: str) -> None:
    infrastructure = await prepare(harness, namespace)
    with pytest.raises(Rejected, match="saved no plan"):
        await infrastructure.differences(namespace)
    change = {"actions": ["update"], "before": {"size": "small"}, "after": {"size": "made-large"}}
    plan = json.dumps({"resource_changes": [{"address": "y.y[0]", "mode": "managed", "change": change}]})
    outputs = {"json": {"value": plan}, "code": {"value": "2"}}
    saved = {"version": 4, "outputs": outputs, "resources": []}
    await store_state(harness, namespace, f"{PLAN_STATE}-{DRIFT_SLOT}", saved)
    findings = await infrastructure.differences(namespace)
    assert findings == (Finding(DriftKind.CHANGED, "y.y[0]", "size", resource=True),)
