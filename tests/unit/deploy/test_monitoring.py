"""The alerts and the dashboard use metrics that the bot has, and the alerts fire when they should."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.model.environment import EnvironmentState
from bot.model.promotion import PromotionState
from bot.web.metrics import Metrics
from tests.kubernetes import debian
from tests.unit.deploy.manifests import DEPLOY

_FOLDER = DEPLOY / "monitoring"


def alerts() -> dict[str, dict[str, Any]]:
    (group,) = yaml.safe_load((_FOLDER / "rules.yaml").read_text())["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def expressions() -> list[str]:
    panels = json.loads((_FOLDER / "dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in alerts().values())]


def test_every_metric_exists() -> None:
    names: set[str] = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    used = {name for text in expressions() for name in re.findall(r"\bgreenroom_\w+", text)}
    assert used <= names


def test_every_named_state_exists() -> None:
    named = {
        state
        for text in expressions()
        for states in re.findall(r'state=~?"([^"]+)"', text)
        for state in states.split("|")
    }
    assert named
    assert named <= {*EnvironmentState, *PromotionState}


def test_every_alert_describes_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["description"].endswith("."), name


def test_dashboard_has_no_overlapping_panels() -> None:
    panels = json.loads((_FOLDER / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)


@pytest.mark.tools
def test_alerts_fire(tmp_path: Path) -> None:
    rules = yaml.safe_load((_FOLDER / "rules.yaml").read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(_scenarios()))
    promtool = debian.program("prometheus", "promtool")
    subprocess.run([promtool, "check", "rules", tmp_path / "rules.yaml"], check=True)
    subprocess.run([promtool, "test", "rules", tmp_path / "test.yaml"], check=True)


_QUIET = {
    "greenroom_queue_oldest_seconds": "1x120",
    'greenroom_work_seconds_count{kind="environment",outcome="settled"}': "0+10x120",
    'greenroom_work_seconds_count{kind="environment",outcome="failed"}': "0x120",
    'greenroom_deliveries_total{status="202"}': "0+10x120",
    'greenroom_deliveries_total{status="503"}': "0x120",
    'greenroom_sweep_breaker_trips_total{sweep="orphans"}': "0x120",
    'greenroom_leaks_total{cause="orphan"}': "0x120",
    'greenroom_github_rate_limit_remaining{installation="1"}': "5000x120",
    'greenroom_cluster_calls_total{status="200"}': "0+10x120",
    'greenroom_cluster_calls_total{status="none"}': "0x120",
    'greenroom_promotions{state="failed"}': "3x120",
    "greenroom_approval_oldest_seconds": "60x120",
}
_TROUBLE = {
    "GreenroomDown": {"greenroom_queue_oldest_seconds": "_x120"},
    "GreenroomQueueDelayed": {"greenroom_queue_oldest_seconds": "600x120"},
    "GreenroomWorkFails": {'greenroom_work_seconds_count{kind="environment",outcome="failed"}': "0+30x120"},
    "GreenroomWebhooksRefused": {'greenroom_deliveries_total{status="503"}': "0+1x120"},
    "GreenroomDeletionLimit": {'greenroom_sweep_breaker_trips_total{sweep="orphans"}': "0x80 1x40"},
    "GreenroomLeaks": {'greenroom_leaks_total{cause="orphan"}': "0x80 2x40"},
    "GreenroomRateLimit": {'greenroom_github_rate_limit_remaining{installation="1"}': "3x120"},
    "GreenroomClusterUnreachable": {'greenroom_cluster_calls_total{status="none"}': "0+90x120"},
    "GreenroomPromotionFailed": {'greenroom_promotions{state="failed"}': "3x95 4x30"},
    "GreenroomApprovalWaits": {"greenroom_approval_oldest_seconds": "20000x120"},
}


def _scenarios() -> dict[str, Any]:
    """One scenario without trouble, and for each alert one in which it alone fires."""
    tests = [_scenario(_QUIET, firing=None)]
    tests += [_scenario(_QUIET | series, firing=alert) for alert, series in _TROUBLE.items()]
    return {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}


def _scenario(series: dict[str, str], firing: str | None) -> dict[str, Any]:
    checked = 'count by (alertname) (ALERTS{alertstate="firing"})'
    fired = [{"labels": f'{{alertname="{firing}"}}', "value": 1}] if firing else []
    return {
        "name": firing or "no trouble",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": checked, "eval_time": "105m", "exp_samples": fired}],
    }


def test_every_alert_has_a_scenario() -> None:
    assert set(_TROUBLE) == set(alerts())
