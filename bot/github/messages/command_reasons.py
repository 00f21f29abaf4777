"""Texts for the journal about commands that were not executed. Pure."""

from __future__ import annotations

from typing import assert_never

from bot.commands.outcome import Outcome, Result
from bot.commands.table import Verb, required_role


def refusal_note(outcome: Outcome) -> str:
    """A sentence; "" when the command was executed or is unknown."""
    if outcome.verb is None:
        return ""
    reason = _reason(outcome, outcome.verb)
    return f"`{outcome.verb}`: {reason.rstrip('.')}." if reason else ""


def _reason(outcome: Outcome, verb: Verb) -> str:  # one case per result
    head, seen = (outcome.head or "unknown")[:7], (outcome.seen or "unknown")[:7]
    match outcome.result:
        case Result.FORBIDDEN:
            return f"requires the role `{required_role(verb)}`; the user has `{outcome.role}`"
        case Result.MOVED:
            return f"refers to {seen}, but the head is {head}"
        case Result.UNSEEN:
            return f"{head} became the head while the comment was written"
        case Result.OVERTAKEN:
            return "a later command was executed first"
        case Result.CLOSED:
            return "the pull request is closed"
        case Result.NO_PREVIEW:
            return "the pull request has no preview"
        case Result.MAXIMUM:
            return "the preview already has the maximum lifetime"
        case Result.DISABLED | Result.REFUSED:
            return outcome.reason
        case (
            Result.ACCEPTED
            | Result.REPORTED
            | Result.ALREADY
            | Result.STARTED
            | Result.DONE
            | Result.SKIPPED
            | Result.UNKNOWN
            | Result.TOO_MANY
            | Result.MISUSED
            | Result.EDITED
        ):
            return ""
    assert_never(outcome.result)
