"""Plain words for entries of the audit log and the decision log; the stored words stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.github.messages.stage_summary import state_label
from bot.model.promotion import AuditEntry, PromotionState

_AUDIT: Mapping[str, str] = {
    **{state.value: state_label(state) for state in PromotionState},
    "gates": "requirements",
    "hold": "put on hold",
    "unhold": "hold lifted",
    "step": "traffic moved",
    "skipped": "analysis skipped",
    "configuration": "configuration changed",
    "protection": "rules changed",
    "target": "release set",
    "removed": "deleted",
}
_DECISIONS: Mapping[str, str] = {
    "asked": "requested",
    "unseen": "not visible",
    "reclaimed": "cleaned up",
    "gone": "deleted",
    "secrets": "secrets read",
}


@dataclass(frozen=True, slots=True)
class AuditWords:
    action: str
    reason: str
    change: tuple[str, ...]
    """What it was and what it is; empty when the action contains it."""


def audit_words(entry: AuditEntry) -> AuditWords:
    """The entry as a person reads it. The reason does not repeat the action."""
    action = _AUDIT.get(entry.action, entry.action)
    repeated = f"{action}, "
    reason = entry.reason
    if reason.lower().startswith(repeated):
        reason = reason[len(repeated) :]
    states = () if entry.after in (entry.action, "on hold") else (entry.before, entry.after)
    return AuditWords(action, reason, tuple(_AUDIT.get(state, state) for state in states if state))


def transition(entry: AuditEntry) -> str:
    """Such as `queued → deploying`; "" unless the entry is a change of a promotion's state."""
    if entry.action != entry.after or not entry.before:
        return ""
    return " → ".join(_AUDIT.get(state, state) for state in (entry.before, entry.after))


def decision_action(action: str) -> str:
    """The action of a decision about an environment."""
    return _DECISIONS.get(action, action)
