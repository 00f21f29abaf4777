"""The journal records each decision once, with its reason."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.policy import Policy
from bot.environments.ports import Fence
from bot.github.resources.checks import CheckOutcome
from bot.model.environment import EnvironmentState, StatusMessage
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Answer, Condition, Manifest, ObjectState, Wave
from bot.model.size import Size
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, DIGEST, Harness


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Harness(store, clock)
    await store.close()


async def test_journal_from_opening_to_reopening(harness: Harness) -> None:
    await harness.run()
    harness.pull(head_sha="b" * 40)
    await harness.run()
    harness.pull(head_sha="b" * 40, open=False)
    await harness.run()
    await harness.again()
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert await harness.journal() == [
        ("opened", "Deploying aaaaaaa."),
        ("ready", "aaaaaaa runs; no route is configured."),
        ("superseded", "The head changed from aaaaaaa to bbbbbbb."),
        ("updating", "Deploying bbbbbbb."),
        ("ready", "bbbbbbb runs; no route is configured."),
        ("deleting", "The pull request was closed."),
        ("gone", "The pull request was closed."),
        ("reopened", "The pull request was reopened."),
        ("opened", "Deploying bbbbbbb."),
        ("ready", "bbbbbbb runs; no route is configured."),
    ]


async def test_repeated_runs_record_nothing_new(harness: Harness) -> None:
    for _ in range(3):
        await harness.run()
        await harness.again()
    assert [action for action, _ in await harness.journal()] == ["opened", "ready"]


async def test_parallel_writes_record_a_decision_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def apply(
        namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        await asyncio.gather(fence(), fence(), fence())

    monkeypatch.setattr(harness.cluster, "apply", apply)
    harness.github.configuration = CONFIGURATION + "data: {seed: {image: shop, command: [seed]}}\n"
    harness.cluster.waves = {
        Wave.SEED: ({"kind": "Job", "metadata": {"name": "seed-1"}},),
        Wave.WORKLOADS: ({"kind": "Deployment", "metadata": {"name": "shop"}},),
    }
    await harness.run()
    assert [action for action, _ in await harness.journal()] == ["opened", "seeded", "ready"]


async def test_failed_check_is_recorded_once(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {checks: [{name: healthy, http: /healthz}]}\n"
    harness.gateway.answer = Answer(503)
    for _ in range(5):
        await harness.run()
    assert await harness.journal() == [
        ("opened", "Deploying aaaaaaa."),
        ("failed", "The check healthy failed: `GET /healthz` returned 503; 3 attempts."),
        ("checks failed", "Failed checks: `healthy`."),
    ]


async def test_wait_is_recorded_with_reason_and_end(harness: Harness) -> None:
    harness.registry.digest = None
    await harness.run()
    await harness.again()
    (waiting,) = [reason for action, reason in await harness.journal() if action == "waiting"]
    assert "CI is still running" in waiting
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.attempt.wait is not None
    assert environment.attempt.wait.until is not None
    harness.registry.digest = DIGEST
    harness.clock.advance(60)
    await harness.again()
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.status.state is EnvironmentState.READY
    assert environment.attempt.wait is None


async def test_failed_ci_is_reported_beside_another_pending_check(harness: Harness) -> None:
    harness.registry.digest = None
    license = CheckOutcome("license", "pending", "bot")
    harness.github.checks = [CheckOutcome("build", "failure", "actions"), license]
    await harness.run()
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.status.state is EnvironmentState.FAILED
    assert "CI failed for aaaaaaa (build)" in (await harness.journal())[-1][1]
    # The other source may be the one that builds the image.
    harness.registry.digest = DIGEST
    harness.clock.advance(60)
    await harness.again()
    assert (await harness.journal())[-1][0] == "ready"


async def test_outage_is_a_wait_and_then_a_failure(harness: Harness) -> None:
    harness.cluster.error = Unavailable("The cluster's API server does not answer.")
    await harness.run()
    for _ in range(2):
        harness.clock.advance(timedelta(minutes=6).total_seconds())
        await harness.again()
    decisions = [decision for decision in await harness.journal() if decision[0] != "opened"]
    assert decisions == [("failed", "The cluster's API server does not answer.")]
    harness.cluster.error = None
    harness.clock.advance(60)
    await harness.again()
    assert (await harness.journal())[-1][0] == "ready"


async def test_unready_workload_has_a_new_timeout_after_recovery(harness: Harness) -> None:
    harness.cluster.waves = {Wave.WORKLOADS: ({"kind": "Deployment", "metadata": {"name": "shop"}},)}
    restarts = ObjectState("Deployment", "shop", Condition.PROGRESSING, "0 of 1 pods are ready.")
    await harness.run()
    harness.clock.advance(timedelta(days=1).total_seconds())
    for state in (restarts, None, restarts, None):
        harness.cluster.states = {"shop": state} if state else {}
        await harness.run()
        harness.clock.advance(timedelta(minutes=9).total_seconds())
        await harness.run()
    assert [action for action, _ in await harness.journal()] == ["opened", "ready"]
    harness.cluster.states = {"shop": restarts}
    for _ in range(2):
        await harness.run()
        harness.clock.advance(timedelta(minutes=11).total_seconds())
    assert (await harness.journal())[-1] == (
        "failed",
        "Timed out. Waiting for Deployment shop: 0 of 1 pods are ready.",
    )


async def test_outage_after_a_day_is_a_wait_first(harness: Harness) -> None:
    await harness.run()
    harness.clock.advance(timedelta(days=1).total_seconds())
    harness.cluster.error = Unavailable("The cluster's API server does not answer.")
    await harness.run()
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.attempt.wait is not None
    harness.cluster.error = None
    harness.clock.advance(60)
    await harness.again()
    assert [action for action, _ in await harness.journal()] == ["opened", "ready"]


async def test_configuration_error_names_line_and_field(harness: Harness) -> None:
    for error in ("colour: blue", "colour: blue", "shape: round"):
        harness.github.configuration = CONFIGURATION + error
        await harness.run()
        assert (await harness.status()).phase is None, "it fails before the first phase"
    first, second = await harness.journal()
    assert first[0] == second[0] == "failed"
    assert "line 4, colour" in first[1]
    assert "line 4, shape" in second[1]


@pytest.mark.parametrize(
    ("pull", "action", "text"),
    [
        ({"head_repository_id": 8}, "refused", "comes from a fork"),
        ({"author_is_bot": True}, "skipped", "preview.skip.bots"),
    ],
)
async def test_refused_or_skipped_preview_has_a_reason(
    harness: Harness, pull: dict[str, object], action: str, text: str
) -> None:
    harness.pull(**pull)
    await harness.run()
    await harness.run()
    ((recorded, reason),) = await harness.journal()
    assert recorded == action
    assert text in reason


async def test_other_skip_rule_is_a_new_decision(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {skip: {drafts: true}}"
    harness.pull(author_is_bot=True)
    await harness.run()
    harness.pull(draft=True)
    await harness.run()
    rules = [reason.split("`")[1] for action, reason in await harness.journal() if action == "skipped"]
    assert rules == ["preview.skip.bots", "preview.skip.drafts"]


async def test_repository_without_configuration_is_skipped(harness: Harness) -> None:
    harness.github.configuration = None
    await harness.run()
    assert await harness.journal() == [("skipped", "The default branch has no `.greenroom.yml`.")]


async def test_changed_draft_labels_and_base_are_recorded(harness: Harness) -> None:
    await harness.run()
    harness.pull(draft=True, labels=("wip",), base_ref="next")
    await harness.run()
    assert (await harness.journal())[2:5] == [
        ("changed", "The pull request was converted to a draft."),
        ("changed", "Labels: wip."),
        ("changed", "Base branch: next."),
    ]


async def test_invisible_pull_request_is_recorded_once(
    harness: Harness,
) -> None:
    await harness.run()
    harness.github.pull = None
    await harness.run()
    await harness.run()
    assert [action for action, _ in await harness.journal()] == ["opened", "ready", "unseen"]
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.status.state is EnvironmentState.READY


async def test_expired_preview_has_a_reason(harness: Harness) -> None:
    await harness.run()
    harness.clock.advance(Policy().default_ttl.total_seconds())
    await harness.run()
    await harness.again()
    last_two = (await harness.journal())[-2:]
    assert [action for action, _ in last_two] == ["deleting", "gone"]
    assert all("expired" in reason for _, reason in last_two)


async def test_changed_restart_count_is_not_reported_again(harness: Harness) -> None:
    for times in (2, 3, 4):
        harness.cluster.error = Rejected(f"The container is crash-looping, restarted {times} times.")
        await harness.run()
    decisions = [decision for decision in await harness.journal() if decision[0] != "opened"]
    assert decisions == [("failed", "The container is crash-looping, restarted 2 times.")]
    assert {status.cause for status in harness.github.reported if status.cause} == {
        StatusMessage("The container is crash-looping, restarted 2 times.")
    }


async def test_too_large_manifests_fail_before_anything_is_applied(harness: Harness) -> None:
    harness.cluster.waves = {Wave.WORKLOADS: ({"kind": "Deployment", "metadata": {"name": "shop"}},)}
    harness.cluster.requests = Size(cpu="64", memory="1Mi", storage="0", pods="1")
    await harness.run()
    status = harness.github.reported[-1]
    assert status.state is EnvironmentState.FAILED
    assert status.cause is not None
    assert "64 of cpu (of 4)" in status.cause.summary
    assert harness.cluster.seen == []
    harness.cluster.requests = Size(cpu="1", memory="1Mi", storage="0", pods="1")
    harness.pull(head_sha="b" * 40)
    await harness.run()
    assert harness.github.reported[-1].state is EnvironmentState.READY
