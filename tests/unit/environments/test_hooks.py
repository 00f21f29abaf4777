"""Hooks of a chart run in order, once for each deployment, and at the right deployments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.data import DataRecord
from bot.model.environment import EnvironmentState
from bot.model.hooks import HookEvent, HookPoint, hook_of, in_order
from bot.model.manifest import Condition, Manifest, ObjectState, ServiceState, Wave
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, Harness

HELM = CONFIGURATION.replace("{plain: deploy}", "{helm: {chart: chart}}")
SECOND = "b" * 40


def hook(name: str, events: str, weight: object = "0", policy: str = "", kind: str = "Job") -> Manifest:
    annotations = {
        "helm.sh/hook": events,
        "helm.sh/hook-weight": weight,
        "helm.sh/hook-delete-policy": policy,
    }
    return {"kind": kind, "metadata": {"name": name, "annotations": annotations}}


def plain(name: str) -> Manifest:
    return {"kind": "Deployment", "metadata": {"name": name}}


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    harness = Harness(store, clock)
    harness.github.configuration = HELM
    yield harness
    await store.close()


def deploy(harness: Harness, *hooks: Manifest) -> None:
    """Lets the chart have a workload and these hooks."""
    points = {Wave.PRE_HOOKS: HookPoint.PRE, Wave.POST_HOOKS: HookPoint.POST}
    harness.cluster.waves = {
        wave: tuple(item for item in hooks if (parsed := hook_of(item)) is not None and parsed.runs_at(point))
        for wave, point in points.items()
    } | {Wave.WORKLOADS: (plain("web"),)}


def changes(harness: Harness) -> list[str]:
    made, harness.cluster.changes = harness.cluster.changes, []
    return made


BOTH = (
    hook("schema", "pre-install,pre-upgrade", "-5"),
    hook("rows", "pre-install", "10"),
    hook("upgrade", "pre-upgrade", "1"),
    hook("after", "post-install, post-upgrade"),
    hook("back", "post-rollback"),
)


async def test_installation_and_upgrade_run_their_hooks_in_order(harness: Harness) -> None:
    deploy(harness, *reversed(BOTH))
    await harness.run()
    assert changes(harness) == ["apply schema", "apply rows", "apply web", "apply after"]
    await harness.run()
    assert changes(harness) == []
    harness.pull(head_sha=SECOND)
    await harness.run()
    assert changes(harness) == ["apply web"], "a commit that changes nothing is the same release"
    harness.pull(head_sha="c" * 40)
    harness.registry.digest = "sha256:" + "2" * 64
    renamed = [
        hook(f"{item['metadata']['name']}-2", item["metadata"]["annotations"]["helm.sh/hook"])
        for item in BOTH
    ]
    deploy(harness, *renamed)
    await harness.run()
    assert [change for change in changes(harness) if "web" not in change] == [
        "apply schema-2",
        "apply upgrade-2",
        "apply after-2",
    ]


async def test_workloads_wait_for_a_hook(harness: Harness) -> None:
    deploy(harness, *BOTH)
    harness.cluster.states["schema"] = ObjectState("Job", "schema", Condition.PROGRESSING, "it is running")
    for _ in range(3):
        await harness.run()
    assert changes(harness) == ["apply schema"]
    harness.cluster.states.clear()
    await harness.run()
    assert changes(harness) == ["apply rows", "apply web", "apply after"]


async def test_hook_after_the_workloads_waits_for_their_services(harness: Harness) -> None:
    deploy(harness, hook("after", "post-install"))
    harness.cluster.behind = [ServiceState("web", "first", None, (("10.96.0.7", 80),))]
    await harness.run()
    assert changes(harness) == ["apply web"]
    harness.clock.advance(-18)  # a run of the harness advances the clock by 20 s
    await harness.again()
    assert changes(harness) == ["apply after"]


async def test_failed_hook_fails_the_deployment_with_its_log(harness: Harness) -> None:
    deploy(harness, hook("schema", "pre-install", policy="hook-failed"))
    harness.cluster.states["schema"] = ObjectState(
        "Job", "schema", Condition.FAILED, "exit code 1", "no table"
    )
    await harness.run()
    status = harness.github.reported[-1]
    assert status.state is EnvironmentState.FAILED
    assert status.cause is not None
    assert status.cause.summary == "The hook `schema` failed: exit code 1."
    assert status.cause.detail == "no table"
    assert changes(harness) == ["apply schema", "delete schema"]
    harness.cluster.states.clear()  # it is deleted, and does not run again in this deployment
    await harness.run()
    assert changes(harness) == []
    assert harness.github.reported[-1].state is EnvironmentState.FAILED
    assert harness.github.reported[-1].cause == status.cause


@pytest.mark.parametrize(
    ("policy", "deleted"),
    [
        ("", []),
        ("before-hook-creation", []),
        ("hook-failed", []),
        ("hook-succeeded", ["delete schema"]),
        ("before-hook-creation, hook-succeeded", ["delete schema"]),
    ],
)
async def test_delete_policy_is_followed(harness: Harness, policy: str, deleted: list[str]) -> None:
    deploy(harness, hook("schema", "pre-install", policy=policy))
    await harness.run()
    assert changes(harness) == ["apply schema", *deleted, "apply web"]


async def test_configuration_of_hooks_is_deleted_after_them(harness: Harness) -> None:
    deploy(harness, hook("schema", "pre-install"))
    harness.cluster.waves[Wave.CONFIGURATION] = (
        hook("settings", "pre-install", policy="hook-succeeded", kind="ConfigMap"),
        hook("kept", "pre-install", kind="ConfigMap"),
    )
    await harness.run()
    assert changes(harness) == [
        "apply settings",
        "apply kept",
        "apply schema",
        "delete settings",
        "apply web",
    ]


async def test_killed_run_continues_with_the_hook_that_is_open(harness: Harness) -> None:
    deploy(harness, *BOTH)
    harness.cluster.steps_left = 2
    with pytest.raises(BaseException):  # noqa: B017, PT011  # the process is killed
        await harness.run()
    harness.cluster.steps_left = 1000
    harness.clock.advance(120)
    await harness.run()
    made = changes(harness)
    assert list(dict.fromkeys(made)) == ["apply schema", "apply rows", "apply web", "apply after"]


async def test_reset_data_are_installed_again(harness: Harness) -> None:
    deploy(harness, *BOTH)
    await harness.run()
    assert harness.cluster.record is not None
    assert harness.cluster.record.hooks.installed
    assert not DataRecord(1, "c", hooks=harness.cluster.record.hooks).after_reset(1, "c").hooks.installed
    changes(harness)
    await harness.store.environments.update_overrides(
        harness.key, lambda overrides: replace(overrides, reseeds=1), "reseed", "ada"
    )
    await harness.run()
    assert [change for change in changes(harness) if "web" not in change] == [
        "apply schema",
        "apply rows",
        "apply after",
    ]


@pytest.mark.parametrize(
    ("weight", "expected"), [("5", 5), ("-3", -3), (7, 7), ("x", 0), (None, 0), ([], 0), ("", 0)]
)
def test_weight_is_read_as_helm_reads_it(weight: object, expected: int) -> None:
    parsed = hook_of(hook("a", "pre-install", weight))
    assert parsed is not None
    assert parsed.weight == expected


@pytest.mark.parametrize(
    "manifest", [{}, {"metadata": None}, {"metadata": {"annotations": {"helm.sh/hook": 1}}}]
)
def test_other_objects_are_no_hooks(manifest: Manifest) -> None:
    assert hook_of(manifest) is None


def test_equal_weights_run_by_name() -> None:
    hooks = [hook("b", "pre-install"), hook("a", "pre-install"), hook("c", "pre-install", "-1")]
    assert [item["metadata"]["name"] for item in in_order(hooks)] == ["c", "a", "b"]


def test_rollback_runs_only_its_hooks() -> None:
    parsed = hook_of(hook("a", "pre-rollback,post-upgrade"))
    assert parsed is not None
    assert parsed.runs(HookPoint.PRE, HookEvent.ROLLBACK)
    assert not parsed.runs(HookPoint.POST, HookEvent.ROLLBACK)
    assert not parsed.runs(HookPoint.PRE, HookEvent.UPGRADE)
