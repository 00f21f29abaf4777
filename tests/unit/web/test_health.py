"""Liveness and readiness."""

from __future__ import annotations

import asyncio

import httpx
from structlog.testing import capture_logs

from bot.web.application import create_application
from bot.web.health import ReadinessCheck, health_routes


async def _ask(path: str, **checks: ReadinessCheck) -> httpx.Response:
    transport = httpx.ASGITransport(create_application(health_routes(checks, deadline=0.05)))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        return await client.get(path)


async def _well() -> None:
    return None


async def _behind() -> str:
    return "run `greenroom migrate`"


async def _hangs() -> str | None:
    await asyncio.Event().wait()
    return None


async def _breaks() -> str | None:
    raise ConnectionError("password hunter2 refused")


async def test_healthy_bot_is_ready() -> None:
    answer = await _ask("/readyz", store=_well, migrations=_well)
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})


async def test_unhealthy_bot_reports_its_problems() -> None:
    answer = await _ask("/readyz", store=_breaks, migrations=_behind, cluster=_hangs, work=_well)
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "problems": {
            "store": "check failed (ConnectionError); see the log",
            "migrations": "run `greenroom migrate`",
            "cluster": "no response within 0.05 s",
        },
    }
    assert "hunter2" not in answer.text


async def test_bot_without_store_is_alive() -> None:
    answer = await _ask("/healthz", store=_breaks)
    assert answer.status_code == 200


async def test_repeated_failure_is_one_line_of_the_log() -> None:
    with capture_logs() as lines:
        transport = httpx.ASGITransport(create_application(health_routes({"store": _breaks})))
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            for _ in range(3):
                assert (await client.get("/readyz")).status_code == 503
    assert [line["event"] for line in lines] == ["readiness check failed"]
