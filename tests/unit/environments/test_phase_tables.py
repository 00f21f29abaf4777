"""Every phase is run, in the order of `Phase`, and has a limit for its waits."""

from __future__ import annotations

from bot.environments.phase_runner import PHASES
from bot.environments.waiting import POLICIES
from bot.model.environment import Phase


def test_every_phase_has_a_step_and_a_limit() -> None:
    assert list(PHASES) == list(Phase)
    assert set(POLICIES) == set(Phase)
