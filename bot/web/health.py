"""`/healthz`: liveness of the process. `/readyz`: readiness, with the problems found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""None when healthy, otherwise a message without confidential details."""

DEADLINE = 2.0
"""Seconds for all checks together; less than the timeout of a usual probe."""

_log = structlog.get_logger(__name__)


def health_routes(checks: Mapping[str, ReadinessCheck], deadline: float = DEADLINE) -> list[Route]:
    failing: set[str] = set()

    async def run(name: str, check: ReadinessCheck) -> str | None:
        try:
            async with asyncio.timeout(deadline):
                problem = await check()
        except TimeoutError:
            return f"no response within {deadline:g} s"
        except Exception as error:
            if name not in failing:  # probes repeat every few seconds
                _log.warning("readiness check failed", check=name, exc_info=True)
            failing.add(name)
            return f"check failed ({type(error).__name__}); see the log"
        failing.discard(name)
        return problem

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        answers = await asyncio.gather(*(run(name, check) for name, check in checks.items()))
        problems = {name: answer for name, answer in zip(checks, answers, strict=True) if answer is not None}
        return JSONResponse(
            {"ready": not problems, "problems": problems},
            status_code=503 if problems else 200,
            headers={"Cache-Control": "no-store"},
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]
