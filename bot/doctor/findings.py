"""What a check finds: one thing that is well, or is not and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model.errors import GreenroomError

_PATIENCE_SECONDS = 30


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    state: State
    message: str
    """What was found; when it failed, one line for each thing to do."""


class CheckFailed(GreenroomError):
    """Something is not well; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    find: Callable[[], Awaitable[str]]
    """What is well, in a few words; raises a GreenroomError with what is not."""
    needs: str = ""
    """The check that has to pass first."""


async def run(checks: Sequence[Check]) -> list[Finding]:
    """One after the other; never raises for what a check meets."""
    found: dict[str, Finding] = {}
    for check in checks:
        found[check.name] = await _run(check, found)
    return list(found.values())


async def _run(check: Check, found: Mapping[str, Finding]) -> Finding:
    if check.needs and found[check.needs].state is not State.PASSED:
        return Finding(check.name, State.SKIPPED, f"{check.needs} comes first")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return Finding(check.name, State.PASSED, await check.find())
    except GreenroomError as error:
        return Finding(check.name, State.FAILED, str(error))
    except TimeoutError:
        return Finding(check.name, State.FAILED, f"No answer within {_PATIENCE_SECONDS} s.")
    except Exception as error:
        told = f"The check itself broke ({type(error).__name__}): that is a defect, please report it."
        return Finding(check.name, State.FAILED, told)
