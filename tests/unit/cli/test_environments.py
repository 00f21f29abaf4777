"""`greenroom env …` and `greenroom why`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.model.delivery import PullRequestHint
from bot.model.diagnostics import LogTail, NamespaceDiagnostics
from bot.model.environment import (
    Decision,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
)
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import Store
from tests.unit.cli.runner import Operator
from tests.unit.environments.test_desired_state import PULL

NOW = datetime.now(UTC)
SEVEN = EnvironmentKey.preview(7, 7)
HOSTILE = "[bold]shop[/bold] \x1b[2J :smile:"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Knows three waiting previews: one with a hostile title, and one of another repository named shop."""
    operator = Operator(tmp_path)
    asyncio.run(fill(operator.url))
    return operator


async def fill(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()
    await add_preview(store, Repository(7, 1, "acme", "shop"), 7, "A blue shop")
    await add_preview(store, Repository(7, 1, "acme", "shop"), 8, HOSTILE)
    await add_preview(store, Repository(9, 2, "umbrella", "shop"), 7, "Another shop")
    await store.close()


async def add_preview(store: Store, repository: Repository, number: int, title: str) -> None:
    await store.deliveries.apply_hints([PullRequestHint(repository, number, PULL.head_sha, open=True)])
    [claim] = await store.queue.claim("test", 1, 60)
    key = EnvironmentKey.preview(repository.id, number)
    environment = await store.environments.get(key)
    assert environment is not None
    status = Status(
        EnvironmentState.WAITING,
        commit=PULL.head_sha,
        phases={
            Phase.CONFIGURATION: PhaseRecord(NOW, NOW + timedelta(seconds=1)),
            Phase.ARTIFACT: PhaseRecord(NOW),
        },
        cause=StatusMessage(f"Waiting for the image {title}.", until=NOW + timedelta(hours=1)),
    )
    attempt = replace(environment.attempt, pull_request=replace(PULL, repository=repository, title=title))
    decisions = [Decision(key, NOW, "opened", "pull request opened"), Decision(key, NOW, "waiting", title)]
    changed = replace(environment, status=status, attempt=attempt)
    await store.environments.save(claim, changed, decisions=decisions)
    await store.queue.finish(claim)


def test_list_shows_url_or_reason(operator: Operator) -> None:
    result = operator("env", "list")
    assert result.exit_code == 0
    assert "acme/shop#7" in result.stdout
    assert "Waiting for the image A blue shop." in result.stdout
    as_json = json.loads(operator("env", "list", "--json").stdout)
    assert [view["name"] for view in as_json] == [
        "acme/shop#7",
        "acme/shop#8",
        "umbrella/shop#7",
    ]


def test_why_shows_wait_deadline_and_decisions(operator: Operator) -> None:
    result = operator("why", "acme/shop#7")
    assert result.exit_code == 0
    for piece in ("aaaaaaa is waiting.", "Times out at", "opened", "pull request opened"):
        assert piece in result.stdout
    as_json = json.loads(operator("why", "preview/7/7", "--json").stdout)
    assert as_json["state"] == "waiting"
    assert as_json["cause"]["until"]
    assert [decision["action"] for decision in as_json["decisions"]] == ["waiting", "opened"]


def test_show_prints_phases_and_cluster_problem(operator: Operator) -> None:
    result = operator("env", "show", "acme/shop#7")
    assert result.exit_code == 0
    assert "configuration" in result.stdout
    assert "1.0 s" in result.stdout
    assert "does not exist. Correct KUBECONFIG." in result.stdout
    as_json = json.loads(operator("env", "show", "acme/shop#7", "--json").stdout)
    assert as_json["environment"]["steps"][0] == {"phase": "configuration", "state": "done", "seconds": 1.0}
    assert "KUBECONFIG" in as_json["diagnostics"]["unavailable"]


def test_logs_without_cluster_exit_with_2(operator: Operator) -> None:
    result = operator("env", "logs", "acme/shop#7")
    assert result.exit_code == 2
    assert "does not exist. Correct KUBECONFIG." in result.stdout


def test_destroy_explains_and_asks_for_confirmation(operator: Operator) -> None:
    declined = operator("env", "destroy", "acme/shop#7")
    assert declined.exit_code == 1
    assert "deletes the namespace" in declined.stderr
    assert "gr-shop-7-pr-7" in declined.stderr
    before, _ = asyncio.run(recorded(operator.url))
    assert before.overrides.destroyed_by is None
    assert operator("env", "destroy", "acme/shop#7", "--yes").exit_code == 0
    after, newest = asyncio.run(recorded(operator.url))
    assert after.overrides.destroyed_by == newest.by != ""
    assert after.generation == before.generation + 1
    assert (newest.action, newest.reason) == ("asked", "Deletion requested on the command line.")


async def recorded(url: str) -> tuple[Environment, Decision]:
    """The environment and its newest decision."""
    store = await Store.open(url)
    environment = await store.environments.get(SEVEN)
    [newest, *_] = await store.journal.decisions(SEVEN)
    await store.close()
    assert environment is not None
    return environment, newest


def test_unknown_and_ambiguous_names_are_rejected(operator: Operator) -> None:
    absent = operator("why", "acme/shop#99")
    assert absent.exit_code == 1
    assert "Unknown environment acme/shop#99." in absent.stderr
    several = operator("why", "shop#7")
    assert several.exit_code == 2
    assert "preview/7/7  (acme/shop#7, waiting)" in several.stderr
    assert "preview/9/7  (umbrella/shop#7, waiting)" in several.stderr


@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/folder/greenroom.db", "postgresql://u:hunter2@127.0.0.1:1/x"]
)
def test_unavailable_database_is_reported_without_password(tmp_path: Path, url: str) -> None:
    operator = Operator(tmp_path)
    operator.settings["GREENROOM_DATABASE_URL"] = url
    result = operator("env", "list")
    assert result.exit_code == 2
    assert "Set GREENROOM_DATABASE_URL to the database of" in result.stderr
    assert "hunter2" not in result.stderr


def test_list_does_not_create_a_database(tmp_path: Path) -> None:
    result = Operator(tmp_path)("env", "list")
    assert result.exit_code == 2
    assert f"There is no database {tmp_path / 'greenroom.db'}." in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_hostile_titles_are_shown_as_text(operator: Operator) -> None:
    result = operator("why", "acme/shop#8", FORCE_COLOR="1")
    assert "[bold]shop[/bold]" in result.stdout
    assert ":smile:" in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_extend_stops_at_the_maximum(operator: Operator) -> None:
    extended = operator("env", "extend", "acme/shop#7", "12h", "--json")
    assert extended.exit_code == 0, extended.output
    assert json.loads(extended.stdout)["requested"] == "extend"
    environment, decision = asyncio.run(recorded(operator.url))
    assert environment.overrides.extended_until is not None
    assert decision.reason == "Requested by `greenroom env extend`."
    longest = operator("env", "extend", "acme/shop#7", "90d")
    assert longest.exit_code == 0
    again = operator("env", "extend", "acme/shop#7", "1d")
    assert again.exit_code == 1
    assert "which is the maximum." in again.stderr


def test_invalid_duration_is_a_usage_error(operator: Operator) -> None:
    result = operator("env", "extend", "acme/shop#7", "soon")
    assert result.exit_code == 2
    assert "soon: expected a duration" in result.stderr


def test_refresh_and_reseed_change_the_desired_state(operator: Operator) -> None:
    before, _ = asyncio.run(recorded(operator.url))
    assert operator("env", "refresh", "acme/shop#7").exit_code == 0
    result = operator("env", "reseed", "acme/shop#7")
    assert "The reseed of acme/shop#7 is requested." in result.stdout
    after, _ = asyncio.run(recorded(operator.url))
    assert after.overrides.refreshes == before.overrides.refreshes + 1
    assert after.overrides.reseeds == before.overrides.reseeds + 1
    assert after.generation == before.generation + 2


def test_preview_is_put_to_sleep_and_woken(operator: Operator) -> None:
    assert "is not asleep" in operator("env", "wake", "acme/shop#7").stderr
    result = operator("env", "sleep", "acme/shop#7", "--json")
    assert json.loads(result.stdout) == {"environment": str(SEVEN), "requested": "sleep"}
    environment, decision = asyncio.run(recorded(operator.url))
    assert environment.overrides.sleep is not None
    assert environment.overrides.sleep.by == decision.by != ""
    assert "is already asleep" in operator("env", "sleep", "acme/shop#7").stderr
    assert "The wake-up of acme/shop#7 is requested." in operator("env", "wake", "acme/shop#7").stdout
    environment, _ = asyncio.run(recorded(operator.url))
    assert environment.overrides.sleep is None


def test_destroyed_preview_is_not_changed(operator: Operator) -> None:
    operator("env", "destroy", "acme/shop#7", "--yes")
    result = operator("env", "reseed", "acme/shop#7")
    assert result.exit_code == 1
    assert "`/preview` on the pull request deploys it." in result.stderr


def test_output_in_a_pipe_is_not_wrapped(operator: Operator) -> None:
    lines = operator("env", "list", COLUMNS="40").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == ["environment", "acme/shop#7", "acme/shop#8", "umbrella/shop#7"]


async def fail_and_delete(url: str) -> None:
    """The preview 7 fails, and its pull request is closed."""
    store = await Store.open(url)
    kept = NamespaceDiagnostics((), (LogTail("shop-1", "web", f"KeyError: 'PORT' {HOSTILE}"),))
    for state, failure in ((EnvironmentState.FAILED, kept), (EnvironmentState.GONE, None)):
        await store.queue.enqueue([WorkKey.environment(SEVEN)])
        [claim] = [
            claim for claim in await store.queue.claim("test", 9, 60) if claim.key.subject == str(SEVEN)
        ]
        environment = await store.environments.get(SEVEN)
        assert environment is not None
        changed = replace(environment, status=replace(environment.status, state=state))
        await store.environments.save(claim, changed, failure=failure)
        await store.queue.finish(claim)
    await store.close()


def test_logs_of_the_last_failure_are_shown_after_the_deletion(operator: Operator) -> None:
    """Without a cluster: the namespace no longer exists."""
    asyncio.run(fail_and_delete(operator.url))
    for command in (("env", "logs"), ("logs",), ("env", "show")):
        result = operator(*command, "acme/shop#7")
        assert (result.exit_code, result.stderr) == (0, "")
        assert "KeyError: 'PORT' [bold]shop[/bold]" in result.stdout
        assert "\x1b" not in result.stdout
    shown = json.loads(operator("logs", "acme/shop#7", "--json").stdout)
    assert shown["logs"][0]["container"] == "web"
