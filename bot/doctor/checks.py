"""Checks and their findings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model.errors import GreenroomError, Unavailable

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
    needs: tuple[str, ...] = ()
    """The checks that must pass before this one can run."""
    advice: str = ""
    """What to do when a service that it asks does not answer."""
    of_installation: bool = False
    """Whether it needs the bot's own account, database or image."""


async def run(checks: Sequence[Check]) -> list[Finding]:
    """Runs the checks one after the other. Errors become findings."""
    findings: dict[str, Finding] = {}
    for check in checks:
        findings[check.name] = await _run(check, findings)
    return list(findings.values())


async def _run(check: Check, findings: Mapping[str, Finding]) -> Finding:
    missing = next((name for name in check.needs if findings[name].state is not State.PASSED), None)
    if missing is not None:
        return Finding(check.name, State.SKIPPED, f"skipped: fix the check {missing!r} first")
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return Finding(check.name, State.PASSED, await check.run())
    except Unavailable as error:
        return Finding(check.name, State.FAILED, f"{error} {check.advice}".rstrip())
    except GreenroomError as error:
        return Finding(check.name, State.FAILED, str(error))
    except TimeoutError:
        message = f"No response within {_TIMEOUT_SECONDS} s. {check.advice}".rstrip()
        return Finding(check.name, State.FAILED, message)
    except Exception as error:
        message = f"The check failed with {type(error).__name__}. This is a bug; please report it."
        return Finding(check.name, State.FAILED, message)
