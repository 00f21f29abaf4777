"""The port for requests to previews without a route wakes those that sleep, and reveals nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route

from bot.model.environment import (
    Attempt,
    EndReason,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    UserOverrides,
)
from bot.model.errors import GreenroomError
from bot.model.naming import further_host, host_label, preview_of
from bot.model.repository import Repository
from bot.model.sleep import Sleep
from bot.web.application import create_application
from bot.web.waker import Budget, Domains, Waker
from bot.web.waker_page import WakerPage
from tests.unit.environments.test_desired_state import PULL

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEY = EnvironmentKey.preview(PULL.repository.id, PULL.number)
HOST = f"{host_label(KEY, PULL.repository)}.preview.example.com"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ASLEEP = UserOverrides(sleep=Sleep(PULL.head_sha))


def environment(status: Status, overrides: UserOverrides = ASLEEP) -> Environment:
    attempt = Attempt(pull_request=PULL)
    return Environment(KEY, PULL.repository, "gr-shop-7-pr-3", 1, 1, status, attempt, overrides, "", NOW, NOW)


class Previews:
    def __init__(self, *stored: Environment) -> None:
        self.stored = {item.key: item for item in stored}
        self.woken: list[EnvironmentKey] = []
        self.reads = 0

    async def get(self, key: EnvironmentKey) -> Environment | None:
        self.reads += 1
        return self.stored.get(key)

    async def wake(self, key: EnvironmentKey, reason: str, by: str = "") -> bool:
        self.woken.append(key)
        self.stored[key] = replace(self.stored[key], overrides=UserOverrides())
        return True


def nothing() -> None:
    """This store is the active one."""


def visitor(previews: Previews, host: str = HOST, require_active: object = nothing) -> httpx.AsyncClient:
    domains = Domains("preview.example.com", "forks.example.com")
    page = WakerPage("https://greenroom.example.com")
    waker = Waker(previews, domains, page, require_active, lambda: NOW)  # type: ignore[arg-type]  # a function
    application = create_application([Route("/{path:path}", waker)])
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url=f"https://{host}")


async def test_browser_wakes_a_preview_and_gets_a_page_that_reloads() -> None:
    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    async with visitor(previews) as browser:
        answer = await browser.get("/cart?item=7", headers=HTML)
    assert previews.woken == [KEY]
    assert answer.status_code == 503
    assert "This preview is waking up" in answer.text
    assert '<meta http-equiv="refresh" content="3">' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
async def test_other_client_wakes_a_preview_and_is_to_repeat_the_request(method: str) -> None:
    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    async with visitor(previews) as client:
        answer = await client.request(method, "/api", headers={"Accept": "application/json"})
    assert previews.woken == [KEY]
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_page_shows_the_phases_while_the_preview_starts() -> None:
    phases = {Phase.CONFIGURATION: PhaseRecord(NOW, NOW), Phase.ARTIFACT: PhaseRecord(NOW)}
    previews = Previews(environment(Status(EnvironmentState.PENDING, phases=phases), UserOverrides()))
    async with visitor(previews) as browser:
        text = (await browser.get("/", headers=HTML)).text
    assert previews.woken == []
    assert re.search(r"artifact</span> <span>running", text)
    assert 'value="1"' in text


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (Status(EnvironmentState.GONE, end=EndReason.MERGED), "This preview was deleted", 404),
        (Status(EnvironmentState.DELETING, end=EndReason.EXPIRED), "This preview was deleted", 404),
        (Status(EnvironmentState.FAILED), "This preview failed", 503),
    ],
)
async def test_address_of_a_deleted_or_failed_preview_has_a_page(
    status: Status, words: str, code: int
) -> None:
    previews = Previews(environment(status, UserOverrides()))
    async with visitor(previews) as browser:
        answer = await browser.get("/", headers=HTML)
    assert (answer.status_code, previews.woken) == (code, [])
    assert words in answer.text
    assert f"https://greenroom.example.com/environments/{KEY}" in answer.text
    assert "refresh" not in answer.text


@pytest.mark.parametrize(("seconds", "code"), [(5, 503), (60, 404)])
async def test_path_without_a_route_of_a_running_preview_is_unknown(seconds: int, code: int) -> None:
    ended = NOW - timedelta(seconds=seconds)
    status = Status(EnvironmentState.READY, phases={Phase.CHECKS: PhaseRecord(ended, ended)})
    async with visitor(Previews(environment(status, UserOverrides()))) as browser:
        assert (await browser.get("/other", headers=HTML)).status_code == code


UNKNOWN = [
    HOST.replace("pr-3", "pr-4"),
    HOST.replace("shop", "shoe"),
    HOST.replace("preview.", "other."),
    HOST.replace("preview.example.com", "forks.example.com"),
    "staging-shop-7.preview.example.com",
    "pr-0-shop-7.preview.example.com",
    "pr-99999999999-shop-7.preview.example.com",
    "pr-3-shop-zzzzzzzzzzzzzzzz.preview.example.com",
    "preview.example.com",
]


@pytest.mark.parametrize("headers", [HTML, {"Accept": "*/*"}])
async def test_all_unknown_addresses_get_the_same_answer(headers: dict[str, str]) -> None:
    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    answers = []
    for host in UNKNOWN:
        async with visitor(previews, host) as browser:
            answers.append(await browser.get("/", headers=headers))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert previews.woken == []


@pytest.mark.parametrize("end", [EndReason.FORK, EndReason.SKIPPED, EndReason.UNCONFIGURED])
async def test_pull_request_that_never_had_a_preview_is_unknown(end: EndReason) -> None:
    previews = Previews(environment(Status(EnvironmentState.REFUSED, end=end)))
    async with visitor(previews) as browser:
        answer = await browser.get("/", headers=HTML)
    assert "Nothing is at this address" in answer.text
    assert "environments" not in answer.text


async def test_preview_of_a_fork_has_its_own_domain() -> None:
    asleep = environment(Status(EnvironmentState.ASLEEP))
    fork = replace(asleep, attempt=Attempt(pull_request=replace(PULL, head_repository_id=8)))
    previews = Previews(fork)
    async with visitor(previews, HOST) as browser:
        assert (await browser.get("/")).status_code == 404
    async with visitor(previews, HOST.replace("preview.example.com", "forks.example.com")) as browser:
        assert (await browser.get("/")).status_code == 503
    assert previews.woken == [KEY]


async def test_further_host_wakes_the_preview() -> None:
    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    async with visitor(previews, further_host("admin", HOST)) as browser:
        assert (await browser.get("/")).status_code == 503
    assert previews.woken == [KEY]


async def test_store_that_is_not_active_wakes_nothing() -> None:
    def inactive() -> None:
        raise GreenroomError("Another store is active.")

    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    async with visitor(previews, require_active=inactive) as browser:
        answer = await browser.get("/", headers=HTML)
    assert (answer.status_code, previews.woken) == (503, [])
    assert "Another store" not in answer.text


async def test_flood_reads_the_store_seldom() -> None:
    previews = Previews(environment(Status(EnvironmentState.PENDING), UserOverrides()))
    async with visitor(previews) as browser:
        for _ in range(20):
            assert (await browser.get("/")).status_code == 503
    assert previews.reads == 1
    for number in range(1, 151):
        async with visitor(previews, f"pr-{number}-shop-7.preview.example.com") as browser:
            await browser.get("/")


async def test_requests_above_the_budget_are_to_be_repeated() -> None:
    previews = Previews()
    codes = []
    domains = Domains("preview.example.com", "preview.example.com")
    waker = Waker(previews, domains, WakerPage("https://greenroom.example.com"), nothing, lambda: NOW)
    transport = httpx.ASGITransport(create_application([Route("/{path:path}", waker)]))
    async with httpx.AsyncClient(transport=transport) as client:
        for number in range(1, 400):
            answer = await client.get(f"http://pr-{number}-shop-7.preview.example.com/")
            codes.append(answer.status_code)
    assert codes[:50] == [404] * 50
    assert 503 in codes
    assert previews.reads < len(codes)


def test_budget_recovers() -> None:
    now = 0.0
    budget = Budget(2.0, lambda: now)
    assert [budget.take() for _ in range(5)] == [True, True, True, True, False]
    now = 1.0
    assert [budget.take() for _ in range(3)] == [True, True, False]


async def test_page_loads_nothing_and_its_style_is_allowed() -> None:
    previews = Previews(environment(Status(EnvironmentState.ASLEEP)))
    async with visitor(previews) as browser:
        answer = await browser.get("/", headers=HTML)
    style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    assert 'src="' not in answer.text


names = st.text(st.characters(categories=(), include_characters="abz019.-_A"), min_size=1, max_size=60)


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**53), names, st.sampled_from(["", "admin"]))
def test_label_of_a_preview_leads_to_its_key(number: int, id: int, name: str, route: str) -> None:
    key = EnvironmentKey.preview(id, number)
    host = f"{host_label(key, Repository(id, 1, 'acme', name))}.preview.example.com"
    label = (further_host(route, host) if route else host).partition(".")[0]
    assert preview_of(label) in ((key,) if len(label) < 63 else (key, None))


@given(st.text(max_size=80))
def test_other_labels_raise_nothing(label: str) -> None:
    preview_of(label)
