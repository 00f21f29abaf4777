"""Words of the audit log and the decision log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.github.messages.actions import audit_words, decision_action, transition
from bot.model.promotion import AuditEntry

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def entry(action: str, reason: str = "", before: str = "", after: str = "") -> AuditEntry:
    return AuditEntry(NOW, 7, "staging", "p1", "ada", action, reason, before, after)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("gating", "waiting"), ("unhold", "hold lifted"), ("target", "release set"), ("paused", "paused")],
)
def test_audit_log_shows_plain_words(stored: str, shown: str) -> None:
    assert audit_words(entry(stored)).action == shown


def test_states_before_and_after_are_plain_too() -> None:
    assert audit_words(entry("skipped", before="gating", after="queued")).change == ("waiting", "queued")
    assert transition(entry("queued", before="gating", after="queued")) == "waiting → queued"


def test_new_state_is_not_repeated() -> None:
    assert audit_words(entry("hold", "release x failed", after="on hold")).change == ()
    assert audit_words(entry("queued", before="gating", after="queued")).change == ()


def test_action_is_not_repeated_by_its_reason() -> None:
    words = audit_words(entry("approved", "Approved, 1 of 2", after="8c5b605ba2"))
    assert (words.action, words.reason, words.change) == ("approved", "1 of 2", ("8c5b605ba2",))


@pytest.mark.parametrize(
    ("stored", "shown"), [("asked", "requested"), ("gone", "deleted"), ("ready", "ready")]
)
def test_decision_log_shows_plain_words(stored: str, shown: str) -> None:
    assert decision_action(stored) == shown
