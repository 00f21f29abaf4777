"""Every decision is written down with its reason when it is taken, and once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.policy import Policy
from bot.github.resources.checks import CheckOutcome
from bot.model.environment import EnvironmentState, StatusMessage
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Answer, Condition, ObjectState, Wave
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, DIGEST, Harness


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Harness(store, clock)
    await store.close()


async def test_a_preview_from_opening_to_closing(harness: Harness) -> None:
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
        ("ready", "aaaaaaa runs; no route is configured"),
        ("superseded", "aaaaaaa → bbbbbbb"),
        ("updating", "Deploying bbbbbbb."),
        ("ready", "bbbbbbb runs; no route is configured"),
        ("deleting", "The pull request was closed."),
        ("gone", "The pull request was closed."),
        ("reopened", "The pull request was reopened."),
        ("opened", "Deploying bbbbbbb."),
        ("ready", "bbbbbbb runs; no route is configured"),
    ]


async def test_nothing_is_told_twice(harness: Harness) -> None:
    for _ in range(3):
        await harness.run()
        await harness.again()
    assert [what for what, _ in await harness.journal()] == ["opened", "ready"]


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


async def test_a_wait_is_told_with_its_reason_and_the_record_says_until_when(harness: Harness) -> None:
    harness.registry.digest = None
    await harness.run()
    await harness.again()
    (waiting,) = [why for what, why in await harness.journal() if what == "waiting"]
    assert "CI is still running" in waiting
    found = await harness.store.environments.get(harness.key)
    assert found is not None
    assert found.attempt.wait is not None
    assert found.attempt.wait.until is not None
    harness.registry.digest = DIGEST
    harness.clock.advance(60)
    await harness.again()
    found = await harness.store.environments.get(harness.key)
    assert found is not None
    assert found.status.state is EnvironmentState.READY
    assert found.attempt.wait is None


async def test_failed_ci_is_reported_beside_a_pending_check_of_another_source(harness: Harness) -> None:
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


async def test_an_outage_is_a_wait_first_and_a_failure_when_it_lasts(harness: Harness) -> None:
    harness.cluster.error = Unavailable("The cluster's API server does not answer.")
    await harness.run()
    for _ in range(2):
        harness.clock.advance(timedelta(minutes=6).total_seconds())
        await harness.again()
    told = [decision for decision in await harness.journal() if decision[0] != "opened"]
    assert told == [("failed", "The cluster's API server does not answer.")]
    harness.cluster.error = None
    harness.clock.advance(60)
    await harness.again()
    assert (await harness.journal())[-1][0] == "ready"


async def test_what_stood_for_long_and_stumbles_has_time_to_get_up(harness: Harness) -> None:
    harness.cluster.waves = {Wave.WORKLOADS: ({"kind": "Deployment", "metadata": {"name": "shop"}},)}
    restarts = ObjectState("Deployment", "shop", Condition.PROGRESSING, "0 of 1 pods are ready")
    await harness.run()
    harness.clock.advance(timedelta(days=1).total_seconds())
    for trouble in (restarts, None, restarts, None):
        harness.cluster.states = {"shop": trouble} if trouble else {}
        await harness.run()
        harness.clock.advance(timedelta(minutes=9).total_seconds())
        await harness.run()
    assert [what for what, _ in await harness.journal()] == ["opened", "ready"]
    harness.cluster.states = {"shop": restarts}
    for _ in range(2):
        await harness.run()
        harness.clock.advance(timedelta(minutes=11).total_seconds())
    assert (await harness.journal())[-1] == (
        "failed",
        "Timed out. Waiting for Deployment shop: 0 of 1 pods are ready",
    )


async def test_an_outage_long_after_it_came_up_is_no_failure_at_once(harness: Harness) -> None:
    await harness.run()
    harness.clock.advance(timedelta(days=1).total_seconds())
    harness.cluster.error = Unavailable("The cluster's API server does not answer.")
    await harness.run()
    found = await harness.store.environments.get(harness.key)
    assert found is not None
    assert found.attempt.wait is not None
    harness.cluster.error = None
    harness.clock.advance(60)
    await harness.again()
    assert [what for what, _ in await harness.journal()] == ["opened", "ready"]


async def test_each_mistake_in_a_configuration_is_told_with_line_and_field(harness: Harness) -> None:
    for mistake in ("colour: blue", "colour: blue", "shape: round"):
        harness.github.configuration = CONFIGURATION + mistake
        await harness.run()
        assert (await harness.status()).phase is None, "it failed before the first one"
    first, second = await harness.journal()
    assert first[0] == second[0] == "failed"
    assert "line 4, colour" in first[1]
    assert "line 4, shape" in second[1]


@pytest.mark.parametrize(
    ("pull", "what", "why"),
    [
        ({"head_repository_id": 8}, "refused", "comes from a fork"),
        ({"author_is_bot": True}, "skipped", "preview.skip.bots"),
    ],
)
async def test_what_runs_nothing_says_why(
    harness: Harness, pull: dict[str, object], what: str, why: str
) -> None:
    harness.pull(**pull)
    await harness.run()
    await harness.run()
    ((told, reason),) = await harness.journal()
    assert told == what
    assert why in reason


async def test_another_rule_that_skips_is_another_decision(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {skip: {drafts: true}}"
    harness.pull(author_is_bot=True)
    await harness.run()
    harness.pull(draft=True)
    await harness.run()
    assert [(what, why.split("`")[1]) for what, why in await harness.journal() if what == "skipped"] == [
        ("skipped", "preview.skip.bots"),
        ("skipped", "preview.skip.drafts"),
    ]


async def test_a_repository_without_configuration_is_skipped(harness: Harness) -> None:
    harness.github.configuration = None
    await harness.run()
    assert await harness.journal() == [("skipped", "The default branch has no `.greenroom.yml`.")]


async def test_what_a_person_changes_beside_the_commit_is_told(harness: Harness) -> None:
    await harness.run()
    harness.pull(draft=True, labels=("wip",), base_ref="next")
    await harness.run()
    assert (await harness.journal())[2:5] == [
        ("changed", "The pull request was converted to a draft."),
        ("changed", "Labels: wip."),
        ("changed", "Base branch: next."),
    ]


async def test_a_pull_request_that_github_does_not_show_changes_nothing_and_is_told_once(
    harness: Harness,
) -> None:
    await harness.run()
    harness.github.pull = None
    await harness.run()
    await harness.run()
    assert [what for what, _ in await harness.journal()] == ["opened", "ready", "unseen"]
    found = await harness.store.environments.get(harness.key)
    assert found is not None
    assert found.status.state is EnvironmentState.READY


async def test_a_preview_whose_time_is_up_says_so_before_it_goes(harness: Harness) -> None:
    await harness.run()
    harness.clock.advance(Policy().default_ttl.total_seconds())
    await harness.run()
    await harness.again()
    last_two = (await harness.journal())[-2:]
    assert [what for what, _ in last_two] == ["deleting", "gone"]
    assert all("expired" in why for _, why in last_two)


async def test_a_counter_that_moves_on_is_no_news_and_changes_nothing_on_github(harness: Harness) -> None:
    for times in (2, 3, 4):
        harness.cluster.error = Rejected(f"The container keeps ending, restarted {times} times.")
        await harness.run()
    told = [decision for decision in await harness.journal() if decision[0] != "opened"]
    assert told == [("failed", "The container keeps ending, restarted 2 times.")]
    assert {status.cause for status in harness.github.reported if status.cause} == {
        StatusMessage("The container keeps ending, restarted 2 times.")
    }
