"""Every decision is written down with its reason when it is taken, and once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.context import Policy
from bot.model.environment import EnvironmentState, StatusMessage
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Answer, Condition, ObjectState, Wave
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.peers import CONFIGURATION, DIGEST, Bench


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Bench(store, clock)
    await store.close()


async def test_a_preview_from_opening_to_closing(bench: Bench) -> None:
    await bench.run()
    bench.pull(head_sha="b" * 40)
    await bench.run()
    bench.pull(head_sha="b" * 40, open=False)
    await bench.run()
    await bench.again()
    bench.pull(head_sha="b" * 40)
    await bench.run()
    assert await bench.journal() == [
        ("opened", "aaaaaaa is wanted"),
        ("ready", "aaaaaaa runs; it has no route"),
        ("superseded", "aaaaaaa → bbbbbbb"),
        ("updating", "bbbbbbb is wanted"),
        ("ready", "bbbbbbb runs; it has no route"),
        ("deleting", "The pull request was closed."),
        ("gone", "The pull request was closed."),
        ("reopened", "The pull request is open again."),
        ("opened", "bbbbbbb is wanted"),
        ("ready", "bbbbbbb runs; it has no route"),
    ]


async def test_nothing_is_told_twice(bench: Bench) -> None:
    for _ in range(3):
        await bench.run()
        await bench.again()
    assert [what for what, _ in await bench.journal()] == ["opened", "ready"]


async def test_a_check_that_fails_is_told_once(bench: Bench) -> None:
    bench.github.configuration = CONFIGURATION + "preview: {checks: [{name: healthy, http: /healthz}]}\n"
    bench.gateway.answer = Answer(503)
    for _ in range(5):
        await bench.run()
    assert await bench.journal() == [
        ("opened", "aaaaaaa is wanted"),
        ("failed", "The check healthy failed: `GET /healthz` answered 503; asked 3 times."),
        ("ready", "aaaaaaa runs; it has no route"),
    ]


async def test_a_wait_is_told_with_its_reason_and_the_record_says_until_when(bench: Bench) -> None:
    bench.registry.digest = None
    await bench.run()
    await bench.again()
    (waiting,) = [why for what, why in await bench.journal() if what == "waiting"]
    assert "CI is still running" in waiting
    found = await bench.store.environments.get(bench.key)
    assert found is not None
    assert found.attempt.wait is not None
    assert found.attempt.wait.until is not None
    bench.registry.digest = DIGEST
    bench.clock.advance(60)
    await bench.again()
    found = await bench.store.environments.get(bench.key)
    assert found is not None
    assert found.status.state is EnvironmentState.READY
    assert found.attempt.wait is None


async def test_an_outage_is_a_wait_first_and_a_failure_when_it_lasts(bench: Bench) -> None:
    bench.cluster.trouble = Unavailable("The cluster's API server does not answer.")
    await bench.run()
    for _ in range(2):
        bench.clock.advance(timedelta(minutes=6).total_seconds())
        await bench.again()
    told = [decision for decision in await bench.journal() if decision[0] != "opened"]
    assert told == [("failed", "The cluster's API server does not answer.")]
    bench.cluster.trouble = None
    bench.clock.advance(60)
    await bench.again()
    assert (await bench.journal())[-1][0] == "ready"


async def test_what_stood_for_long_and_stumbles_has_time_to_get_up(bench: Bench) -> None:
    bench.cluster.waves = {Wave.WORKLOADS: ({"kind": "Deployment", "metadata": {"name": "shop"}},)}
    restarts = ObjectState("Deployment", "shop", Condition.PROGRESSING, "0 of 1 pods are ready")
    await bench.run()
    bench.clock.advance(timedelta(days=1).total_seconds())
    for trouble in (restarts, None, restarts, None):
        bench.cluster.states = {"shop": trouble} if trouble else {}
        await bench.run()
        bench.clock.advance(timedelta(minutes=9).total_seconds())
        await bench.run()
    assert [what for what, _ in await bench.journal()] == ["opened", "ready"]
    bench.cluster.states = {"shop": restarts}
    for _ in range(2):
        await bench.run()
        bench.clock.advance(timedelta(minutes=11).total_seconds())
    assert (await bench.journal())[-1] == (
        "failed",
        "Gave up. Waiting for Deployment shop: 0 of 1 pods are ready",
    )


async def test_an_outage_long_after_it_came_up_is_no_failure_at_once(bench: Bench) -> None:
    await bench.run()
    bench.clock.advance(timedelta(days=1).total_seconds())
    bench.cluster.trouble = Unavailable("The cluster's API server does not answer.")
    await bench.run()
    found = await bench.store.environments.get(bench.key)
    assert found is not None
    assert found.attempt.wait is not None
    bench.cluster.trouble = None
    bench.clock.advance(60)
    await bench.again()
    assert [what for what, _ in await bench.journal()] == ["opened", "ready"]


async def test_each_mistake_in_a_configuration_is_told_with_line_and_field(bench: Bench) -> None:
    for mistake in ("colour: blue", "colour: blue", "shape: round"):
        bench.github.configuration = CONFIGURATION + mistake
        await bench.run()
        assert (await bench.status()).phase is None, "it failed before the first one"
    first, second = await bench.journal()
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
async def test_what_runs_nothing_says_why(bench: Bench, pull: dict[str, object], what: str, why: str) -> None:
    bench.pull(**pull)
    await bench.run()
    await bench.run()
    ((told, reason),) = await bench.journal()
    assert told == what
    assert why in reason


async def test_another_rule_that_skips_is_another_decision(bench: Bench) -> None:
    bench.github.configuration = CONFIGURATION + "preview: {skip: {drafts: true}}"
    bench.pull(author_is_bot=True)
    await bench.run()
    bench.pull(draft=True)
    await bench.run()
    assert [(what, why.split("`")[1]) for what, why in await bench.journal() if what == "skipped"] == [
        ("skipped", "preview.skip.bots"),
        ("skipped", "preview.skip.drafts"),
    ]


async def test_a_repository_without_configuration_is_skipped(bench: Bench) -> None:
    bench.github.configuration = None
    await bench.run()
    assert await bench.journal() == [("skipped", "The default branch has no .greenroom.yml.")]


async def test_what_a_person_changes_beside_the_commit_is_told(bench: Bench) -> None:
    await bench.run()
    bench.pull(draft=True, labels=("wip",), base_ref="next")
    await bench.run()
    assert (await bench.journal())[2:5] == [
        ("changed", "It is a draft now."),
        ("changed", "Its labels are: wip."),
        ("changed", "It goes into next now."),
    ]


async def test_a_pull_request_that_github_does_not_show_changes_nothing_and_is_told_once(
    bench: Bench,
) -> None:
    await bench.run()
    bench.github.pull = None
    await bench.run()
    await bench.run()
    assert [what for what, _ in await bench.journal()] == ["opened", "ready", "unseen"]
    found = await bench.store.environments.get(bench.key)
    assert found is not None
    assert found.status.state is EnvironmentState.READY


async def test_a_preview_whose_time_is_up_says_so_before_it_goes(bench: Bench) -> None:
    await bench.run()
    bench.clock.advance(Policy().default_ttl.total_seconds())
    await bench.run()
    await bench.again()
    last_two = (await bench.journal())[-2:]
    assert [what for what, _ in last_two] == ["deleting", "gone"]
    assert all("time was up" in why for _, why in last_two)


async def test_a_counter_that_moves_on_is_no_news_and_changes_nothing_on_github(bench: Bench) -> None:
    for times in (2, 3, 4):
        bench.cluster.trouble = Rejected(f"The container keeps ending, restarted {times} times.")
        await bench.run()
    told = [decision for decision in await bench.journal() if decision[0] != "opened"]
    assert told == [("failed", "The container keeps ending, restarted 2 times.")]
    assert {status.cause for status in bench.github.told if status.cause} == {
        StatusMessage("The container keeps ending, restarted 2 times.")
    }
