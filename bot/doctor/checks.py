"""Checks and their findings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model.errors import GreenroomError

_TIMEOUT_SECONDS = 30


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    state: State
    message: str
    """What was found; for a failed check one line per problem, with what to do."""


class CheckFailed(GreenroomError):
    """A check failed; the message has one line per problem, with what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    run: Callable[[], Awaitable[str]]
    """Returns the message of a passed check; raises a GreenroomError otherwise."""
    needs: str = ""
    """The check that must pass before this one can run."""
    of_installation: bool = False
    """Whether it needs the bot's own account, database or image."""


async def run(checks: Sequence[Check]) -> list[Finding]:
    """Runs the checks one after the other. Errors become findings."""
    findings: dict[str, Finding] = {}
    for check in checks:
        findings[check.name] = await _run(check, findings)
    return list(findings.values())


async def _run(check: Check, findings: Mapping[str, Finding]) -> Finding:
    if check.needs and findings[check.needs].state is not State.PASSED:
        return Finding(check.name, State.SKIPPED, f"skipped: fix the check {check.needs!r} first")
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return Finding(check.name, State.PASSED, await check.run())
    except GreenroomError as error:
        return Finding(check.name, State.FAILED, str(error))
    except TimeoutError:
        return Finding(check.name, State.FAILED, f"No response within {_TIMEOUT_SECONDS} s.")
    except Exception as error:
        message = f"The check failed with {type(error).__name__}. This is a bug; please report it."
        return Finding(check.name, State.FAILED, message)
