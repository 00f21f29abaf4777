"""`greenroom stage …`, `greenroom audit` and commands on promotions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.cli.stage_view import show_audit
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.promotion import AuditEntry, PromotionState
from bot.model.secret import SecretRecord
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from bot.store import Store
from tests.unit.cli.runner import Operator
from tests.unit.promotions.stage_fixtures import SHOP, VERIFIED, deploy, facts, promotion, release

NOW = datetime.now(UTC)
INTEGRATION = EnvironmentKey.stage(SHOP.id, "integration")
HOSTILE = "load [bold]test[/bold] \x1b[2J"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Knows integration with a verified release, a lock of bea and a waiting promotion."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1", "COLUMNS": "200"}
    asyncio.run(fill(operator.url))
    return operator


async def fill(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()

    def verified(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = stage_actions.request(aggregate, promotion("integration", "ada", "p1", NOW), NOW)
        aggregate = step(aggregate, "p1", facts(), NOW)
        secrets = {"TOKEN": SecretRecord("keyed", "3")}
        progress = replace(VERIFIED, serial=aggregate.stage.serial, secrets=secrets)
        aggregate = step(aggregate, "p1", facts(progress=progress), NOW)
        assert aggregate.promotions["p1"].state is PromotionState.SUCCEEDED
        aggregate = stage_actions.lock(aggregate, "bea", NOW + timedelta(hours=2), HOSTILE, NOW)
        return stage_actions.request(
            aggregate, promotion("integration", "cem", "p2", NOW + timedelta(seconds=1)), NOW
        )

    await store.promotions.change(INTEGRATION, SHOP, verified)
    await deploy(store, INTEGRATION)
    await store.close()


def test_show_prints_release_lock_and_waiting_promotion(operator: Operator) -> None:
    result = operator("stage", "show", "acme/shop", "integration", FORCE_COLOR="1")
    assert result.exit_code == 0
    digest = next(iter(release().images.values())).digest
    for piece in (
        "acme/shop:integration",
        f"Release `{release().id}` of `aaaaaaa` runs on integration.",
        digest,
        "`TOKEN` (version 3)",
        "locked by bea until",
        "load [bold]test[/bold]",
        "requested by cem: resolving its release. Times out at",
        "Verified releases",
        "succeeded",
        "locked",
    ):
        assert piece in result.stdout, result.stdout
    assert "\x1b[2J" not in result.stdout


def test_show_as_json(operator: Operator) -> None:
    stage = json.loads(operator("stage", "show", "acme/shop", "integration", "--json").stdout)
    assert stage["release"]["commit"] == "a" * 40
    assert stage["lock"]["by"] == "bea"
    assert [pending["promotion"]["id"] for pending in stage["waiting"]] == ["p2"]
    assert stage["promotions"][-1]["id"] == "p1"
    assert stage["promotions"][-1]["secrets"] == {"TOKEN": "3"}
    assert stage["verified"][0]["promotion"] == "p1"
    assert stage["audit"][0]["action"] == "requested"


def test_show_of_unknown_stage_lists_the_stages(operator: Operator) -> None:
    result = operator("stage", "show", "acme/shop", "staging")
    assert result.exit_code == 1
    assert "Unknown stage staging (stages: integration)." in result.stderr
    assert "cannot be read" in result.stderr


def test_promote_reports_unavailable_github(operator: Operator) -> None:
    result = operator("promote", "acme/shop", "staging", "--pull", "7")
    assert result.exit_code == 2
    assert result.stderr.startswith("GitHub"), result.stderr
    assert "database" not in result.stderr


def test_unlock_hold_and_rollback_work_without_github(operator: Operator) -> None:
    assert operator("stage", "unlock", "acme/shop", "integration").exit_code == 0
    assert operator("stage", "hold", "acme/shop", "integration", "--why", "no GitHub").exit_code == 0
    refused = operator("rollback", "acme/shop", "integration")
    assert refused.exit_code == 1
    assert "`/promote integration`." in refused.stderr
    assert refused.stderr.startswith("Stage integration has no other verified release; promote a fix")


def test_lock_reason_is_shown_without_control_characters(operator: Operator) -> None:
    refused = operator("rollback", "acme/shop", "integration")
    assert refused.exit_code == 1
    assert "integration is locked by bea until" in refused.stderr
    assert "\x1b" not in refused.stderr
    shown = operator("audit", "acme/shop", "--json")
    assert "\x1b" not in shown.stdout


def test_audit_table_fits_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    deploying = AuditEntry(NOW, 7, "production", "8c5b605ba2", "", "deploying", "", "queued", "deploying")
    locked = AuditEntry(NOW, 7, "production", "", "grace", "locked", "load test", after="until noon")
    show_audit([deploying, locked])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].endswith("greenroom  queued → deploying [8c5b605ba2]")
    assert lines[2].endswith("grace      locked (until noon): load test")
