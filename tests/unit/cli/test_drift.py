"""`greenroom drift`: exit codes and output."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.drift import DriftRecord
from bot.model.environment import EnvironmentKey
from bot.model.work import WorkKey
from bot.store import Store
from bot.store.store import utc_now
from tests.unit.cli.runner import Operator
from tests.unit.github.drifts import CLEAN, DRIFTED, UNKNOWN


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def keep(operator: Operator, *records: DriftRecord, hours_ago: float | None = 0) -> None:
    """Stores comparisons as the worker does; None for stages that were never compared."""

    async def write() -> None:
        store = await Store.open(operator.url)
        await store.migrate()
        for record in records:
            await store.queue.enqueue([WorkKey.drift(record.key)])
            [claim] = await store.queue.claim("test", 1, 60)
            at = utc_now() - timedelta(hours=hours_ago) if hours_ago is not None else None
            await store.drifts.save(claim, replace(record, checked_at=at))
            await store.queue.finish(claim, None)
        await store.close()

    asyncio.run(write())


def test_exit_code_depends_on_the_state_of_stages(operator: Operator):
    production = replace(CLEAN, key=EnvironmentKey.stage(10, "production"))
    keep(operator, CLEAN, production)
    result = operator("drift")
    assert (result.exit_code, "clean" in result.stdout) == (0, True)
    keep(operator, replace(UNKNOWN, key=production.key))
    result = operator("drift")
    assert result.exit_code == 2
    assert "not compared: ConfigMap: Kubernetes refused the list of configmaps" in result.stdout
    keep(operator, DRIFTED)
    result = operator("drift")
    assert result.exit_code == 1
    assert "-spec.replicas: 2\n+spec.replicas: 5" in result.stdout
    assert "Deployment/shop spec.replicas: kubectl-edit, 29 November 2026, 14:05 UTC" in result.stdout
    assert operator("drift", "production").exit_code == 2
    unknown = operator("drift", "nowhere")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("No stage or demo nowhere is compared.")


def test_json_has_the_state_and_the_record(operator: Operator):
    keep(operator, DRIFTED)
    result = operator("drift", "--json")
    [shown] = json.loads(result.stdout)
    assert (result.exit_code, shown["state"], shown["record"]["key"]["name"]) == (1, "drift", "staging")
    assert shown["record"]["confirmed"][0]["object"] == "NetworkPolicy/shop"


def test_old_result_is_unknown(operator: Operator):
    keep(operator, CLEAN, hours_ago=1)
    assert operator("drift").exit_code == 2


def test_stage_that_was_never_compared_is_unknown(operator: Operator):
    keep(operator, CLEAN, hours_ago=None)
    result = operator("drift")
    assert (result.exit_code, "not compared yet" in result.stdout) == (2, True)


def test_without_stages_nothing_has_drifted(operator: Operator):
    keep(operator)
    result = operator("drift")
    assert (result.exit_code, result.stdout) == (0, "No stage or demo is compared.\n")
