"""Every phase has a function of its own that runs it. mypy reports a phase without one."""

from __future__ import annotations

from bot.environments.phase_runner import step_of
from bot.model.environment import Phase


def test_every_phase_has_a_step_of_its_own() -> None:
    assert [step_of(phase).__module__.rpartition(".")[2] for phase in Phase] == list(Phase)
