"""How long a phase waits for a service that does not respond."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.environments.waiting import outage_limit
from bot.model.environment import EnvironmentKind, Phase


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", [EnvironmentKind.STAGE, EnvironmentKind.DEMO])
def test_an_hour_without_its_cluster_rolls_no_stage_back(phase: Phase, kind: EnvironmentKind) -> None:
    assert outage_limit(phase, kind) >= timedelta(hours=1)


def test_preview_reports_an_outage_within_minutes() -> None:
    assert outage_limit(Phase.ROUTE, EnvironmentKind.PREVIEW) == timedelta(minutes=2)
