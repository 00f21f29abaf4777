"""`greenroom stage show`, as an operator meets it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.cli.pipeline import show_audit
from bot.model.environment import EnvironmentKey
from bot.model.promotion import AuditEntry, PromotionState, StageAggregate
from bot.promotions import stage_commands as orders
from bot.promotions.state_machine import step
from bot.store import Store
from tests.unit.cli.test_cli_environments import Operator
from tests.unit.promotions.scenes import SHOP, VERIFIED, facts, promotion, release

NOW = datetime.now(UTC)
INTEGRATION = EnvironmentKey.stage(SHOP.id, "integration")
HOSTILE = "load [bold]test[/bold] \x1b[2J"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """One release was verified on integration, which bea has locked, and another one waits."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1", "COLUMNS": "200"}
    asyncio.run(fill(operator.url))
    return operator


async def fill(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()

    def verified(aggregate: StageAggregate) -> StageAggregate:
        aggregate = orders.request(aggregate, promotion("integration", "ada", "p1", NOW), NOW)
        aggregate = step(aggregate, "p1", facts(), NOW)
        progress = replace(VERIFIED, serial=aggregate.stage.serial)
        aggregate = step(aggregate, "p1", facts(progress=progress), NOW)
        assert aggregate.promotions["p1"].state is PromotionState.SUCCEEDED
        aggregate = orders.lock(aggregate, "bea", NOW + timedelta(hours=2), HOSTILE, NOW)
        return orders.request(
            aggregate, promotion("integration", "cem", "p2", NOW + timedelta(seconds=1)), NOW
        )

    await store.promotions.change(INTEGRATION, SHOP, verified)
    await store.close()


def test_a_stage_is_told_with_what_runs_who_keeps_it_and_what_waits(operator: Operator) -> None:
    shown = operator("stage", "show", "acme/shop", "integration", FORCE_COLOR="1")
    assert shown.returncode == 0
    digest = next(iter(release().images.values())).digest
    for piece in (
        "acme/shop:integration",
        f"Release `{release().id}` of `aaaaaaa` runs on integration.",
        digest,
        "locked by bea until",
        "load [bold]test[/bold]",
        "asked for by cem: its release is looked for. It gives up at",
        "Verified there",
        "succeeded",
        "locked",
    ):
        assert piece in shown.stdout, shown.stdout
    assert "\x1b[2J" not in shown.stdout


def test_the_same_is_told_as_json(operator: Operator) -> None:
    told = json.loads(operator("stage", "show", "acme/shop", "integration", "--json").stdout)
    assert told["release"]["commit"] == "a" * 40
    assert told["lock"]["by"] == "bea"
    assert [each["promotion"]["id"] for each in told["waiting"]] == ["p2"]
    assert [each["id"] for each in told["promotions"]][-1] == "p1"
    assert told["verified"][0]["promotion"] == "p1"
    assert told["audit"][0]["what"] == "requested"


def test_a_stage_that_there_is_not_is_told_with_those_that_there_are(operator: Operator) -> None:
    done = operator("stage", "show", "acme/shop", "staging")
    assert done.returncode == 1
    assert "There is no stage staging (stages: integration)." in done.stderr
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_asks_while_github_is_away_is_told_so(operator: Operator) -> None:
    done = operator("promote", "acme/shop", "staging", "--pull", "7")
    assert done.returncode == 2
    assert done.stderr.startswith("GitHub"), done.stderr
    assert "database" not in done.stderr


def test_what_stands_is_taken_back_and_kept_while_github_is_away(operator: Operator) -> None:
    assert operator("stage", "unlock", "acme/shop", "integration").returncode == 0
    assert operator("stage", "hold", "acme/shop", "integration", "--why", "no GitHub").returncode == 0
    refused = operator("rollback", "acme/shop", "integration")
    assert refused.returncode == 1
    assert refused.stderr == "There is no verified release that integration could go back to.\n"


def test_a_lock_that_stands_in_the_way_is_told_without_what_a_terminal_obeys(operator: Operator) -> None:
    refused = operator("rollback", "acme/shop", "integration")
    assert refused.returncode == 1
    assert "integration is locked by bea until" in refused.stderr
    assert "\x1b" not in refused.stderr
    shown = operator("audit", "acme/shop", "--json")
    assert "\x1b" not in shown.stdout


def test_the_audit_breaks_no_word_on_a_terminal_of_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    moved = AuditEntry(NOW, 7, "production", "8c5b605ba2", "", "deploying", "", "queued", "deploying")
    kept = AuditEntry(NOW, 7, "production", "", "grace", "locked", "load test", after="until noon")
    show_audit([moved, kept])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].endswith("greenroom  queued → deploying [8c5b605ba2]")
    assert lines[2].endswith("grace      locked (until noon): load test")
