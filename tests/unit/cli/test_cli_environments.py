"""`greenroom env …` and `greenroom why`, as somebody with the bot's settings meets them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.model.delivery import PullRequestHint
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
from bot.store import Store
from tests.unit.cli.test_cli import greenroom
from tests.unit.environments.test_desire import PULL
from tests.unit.github.github_api import PEM

NOW = datetime.now(UTC)
SEVEN = EnvironmentKey.preview(7, 7)
HOSTILE = "[bold]shop[/bold] \x1b[2J :smile:"


class Operator:
    def __init__(self, folder: Path) -> None:
        self.settings = {
            "GREENROOM_GITHUB_APP_ID": "1",
            "GREENROOM_GITHUB_PRIVATE_KEY": PEM,
            "GREENROOM_WEBHOOK_SECRET": "webhook-secret",
            "GREENROOM_PUBLIC_URL": "https://greenroom.example.com",
            "GREENROOM_BASE_DOMAIN": "preview.example.com",
            "GREENROOM_GATEWAY": "gateways/public",
            "GREENROOM_DATABASE_URL": f"sqlite:///{folder / 'greenroom.db'}",
            "KUBECONFIG": str(folder / "nowhere"),
            "COLUMNS": "160",
        }
        self.url = self.settings["GREENROOM_DATABASE_URL"]

    def __call__(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return greenroom(*arguments, **self.settings, **changed)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Of three environments: one that waits, a hostile one, and one of another repository called shop."""
    operator = Operator(tmp_path)
    asyncio.run(fill(operator.url))
    return operator


async def fill(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()
    await remember(store, Repository(7, 1, "acme", "shop"), 7, "A blue shop")
    await remember(store, Repository(7, 1, "acme", "shop"), 8, HOSTILE)
    await remember(store, Repository(9, 2, "umbrella", "shop"), 7, "Another shop")
    await store.close()


async def remember(store: Store, repository: Repository, number: int, title: str) -> None:
    await store.deliveries.apply_hints([PullRequestHint(repository, number, PULL.head_sha, open=True)])
    [claim] = await store.queue.claim("test", 1, 60)
    key = EnvironmentKey.preview(repository.id, number)
    found = await store.environments.get(key)
    assert found is not None
    status = Status(
        EnvironmentState.WAITING,
        commit=PULL.head_sha,
        phases={
            Phase.CONFIGURATION: PhaseRecord(NOW, NOW + timedelta(seconds=1)),
            Phase.ARTIFACT: PhaseRecord(NOW),
        },
        cause=StatusMessage(f"Waiting for the image {title}.", until=NOW + timedelta(hours=1)),
    )
    attempt = replace(found.attempt, pull_request=replace(PULL, repository=repository, title=title))
    decisions = [Decision(key, NOW, "opened", "aaaaaaa is wanted"), Decision(key, NOW, "waiting", title)]
    changed = replace(found, status=status, attempt=attempt)
    await store.environments.save(claim, changed, decisions=decisions)
    await store.queue.finish(claim)


def test_a_list_says_what_runs_or_why_not(operator: Operator) -> None:
    listed = operator("env", "list")
    assert listed.returncode == 0
    assert "acme/shop#7" in listed.stdout
    assert "Waiting for the image A blue shop." in listed.stdout
    as_json = json.loads(operator("env", "list", "--json").stdout)
    assert [each["name"] for each in as_json] == ["acme/shop#7", "acme/shop#8", "umbrella/shop#7"]


def test_why_tells_the_wait_its_deadline_and_every_decision(operator: Operator) -> None:
    told = operator("why", "acme/shop#7")
    assert told.returncode == 0
    for piece in ("aaaaaaa has to wait.", "It gives up at", "opened", "aaaaaaa is wanted"):
        assert piece in told.stdout
    as_json = json.loads(operator("why", "preview/7/7", "--json").stdout)
    assert as_json["state"] == "waiting"
    assert as_json["cause"]["until"]
    assert [decision["what"] for decision in as_json["decisions"]] == ["waiting", "opened"]


def test_show_tells_the_phases_and_why_the_cluster_is_not_seen(operator: Operator) -> None:
    shown = operator("env", "show", "acme/shop#7")
    assert shown.returncode == 0
    assert "configuration" in shown.stdout
    assert "1.0 s" in shown.stdout
    assert "KUBECONFIG names" in shown.stdout
    as_json = json.loads(operator("env", "show", "acme/shop#7", "--json").stdout)
    assert as_json["story"]["steps"][0] == {"phase": "configuration", "state": "done", "seconds": 1.0}
    assert "KUBECONFIG" in as_json["sight"]["unavailable"]


def test_logs_without_a_cluster_say_so_and_fail(operator: Operator) -> None:
    done = operator("env", "logs", "acme/shop#7")
    assert done.returncode == 2
    assert "KUBECONFIG names" in done.stdout
    assert "Traceback" not in done.stderr


def test_destroy_says_what_will_happen_and_asks_first(operator: Operator) -> None:
    declined = operator("env", "destroy", "acme/shop#7")
    assert declined.returncode == 1
    assert "will be deleted with all data in it" in declined.stdout
    assert "gr-shop-7-pr-7" in declined.stdout
    before, _ = asyncio.run(recorded(operator.url))
    assert before.overrides.destroyed_by is None
    assert operator("env", "destroy", "acme/shop#7", "--yes").returncode == 0
    after, newest = asyncio.run(recorded(operator.url))
    assert after.overrides.destroyed_by == newest.by != ""
    assert after.generation == before.generation + 1
    assert (newest.action, newest.reason) == ("asked", "Take it away, on the command line.")


async def recorded(url: str) -> tuple[Environment, Decision]:
    """The environment and its newest decision."""
    store = await Store.open(url)
    found = await store.environments.get(SEVEN)
    [newest, *_] = await store.journal.decisions(SEVEN)
    await store.close()
    assert found is not None
    return found, newest


def test_what_is_not_there_and_what_may_be_several_is_told(operator: Operator) -> None:
    absent = operator("why", "acme/shop#99")
    assert absent.returncode == 1
    assert "There is no environment acme/shop#99." in absent.stderr
    several = operator("why", "shop#7")
    assert several.returncode == 2
    assert "preview/7/7  (acme/shop#7, waiting)" in several.stderr
    assert "preview/9/7  (umbrella/shop#7, waiting)" in several.stderr


@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/folder/greenroom.db", "postgresql://u:hunter2@127.0.0.1:1/x"]
)
def test_a_database_that_cannot_be_asked_is_a_sentence(tmp_path: Path, url: str) -> None:
    operator = Operator(tmp_path)
    operator.settings["GREENROOM_DATABASE_URL"] = url
    done = operator("env", "list")
    assert done.returncode == 2
    assert "GREENROOM_DATABASE_URL has to be the one" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_whoever_only_looks_leaves_no_database_behind(tmp_path: Path) -> None:
    done = Operator(tmp_path)("env", "list")
    assert done.returncode == 2
    assert f"There is no database {tmp_path / 'greenroom.db'}." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_are_text_on_a_terminal(operator: Operator) -> None:
    told = operator("why", "acme/shop#8", FORCE_COLOR="1")
    assert "[bold]shop[/bold]" in told.stdout
    assert ":smile:" in told.stdout
    assert "\x1b[2J" not in told.stdout


def test_without_settings_it_says_what_to_set() -> None:
    done = greenroom("why", "acme/shop#7")
    assert done.returncode == 2
    assert "GREENROOM_WEBHOOK_SECRET is not set." in done.stderr
