"""The label of a stage: its state in one or two words, with a colour."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.messages.stage_summary import state_label
from bot.model.environment import EnvironmentState
from bot.promotions.views import StageView


@dataclass(frozen=True, slots=True)
class Badge:
    """A label with the colour of an environment's state."""

    state: EnvironmentState
    label: str


def badge(stage: StageView) -> Badge:
    """The most urgent fact about the stage: a hold comes before a promotion in progress."""
    if stage.hold is not None:
        return Badge(EnvironmentState.FAILED, "on hold")
    if stage.active is not None:
        return Badge(EnvironmentState.PENDING, state_label(stage.active.promotion.state))
    if stage.release is None:
        return Badge(EnvironmentState.ASLEEP, "empty")
    if stage.state is not None and stage.state is not EnvironmentState.READY:
        return Badge(stage.state, stage.state.value)
    if stage.verified_at is None:
        return Badge(EnvironmentState.WAITING, "not verified")
    return Badge(EnvironmentState.READY, "verified")
