"""Security headers and error responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.web.application import create_application

Get = Callable[[str], Awaitable[httpx.Response]]


async def _greets(_: Request) -> Response:
    return PlainTextResponse("hello", headers={"Content-Security-Policy": "default-src 'none'"})


async def _breaks(_: Request) -> Response:
    raise RuntimeError("the password is hunter2")


async def _refuses(_: Request) -> Response:
    raise HTTPException(413, "the body is too large", headers={"Connection": "close"})


@pytest.fixture
def get() -> Get:
    routes = [Route("/hello", _greets), Route("/broken", _breaks), Route("/refused", _refuses)]
    transport = httpx.ASGITransport(create_application(routes), raise_app_exceptions=False)

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            return await client.get(path)

    return ask


@pytest.mark.parametrize("path", ["/hello", "/broken", "/refused", "/nowhere"])
async def test_security_headers_are_on_every_response(get: Get, path: str) -> None:
    answer = await get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert len(answer.headers.get_list("content-security-policy")) == 1


async def test_security_headers_keep_a_stricter_policy(get: Get) -> None:
    assert (await get("/hello")).headers["content-security-policy"] == "default-src 'none'"


async def test_internal_error_hides_details(get: Get) -> None:
    answer = await get("/broken")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


async def test_http_error_has_its_reason(get: Get) -> None:
    answer = await get("/refused")
    assert (answer.status_code, answer.text) == (413, "the body is too large\n")
    assert answer.headers["connection"] == "close"
    assert (await get("/nowhere")).status_code == 404
