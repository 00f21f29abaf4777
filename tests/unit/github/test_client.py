"""Tokens, rate limits, conditional reads and the sentences of rejections."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta

import httpx
import pytest
import respx

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.model.errors import Rejected, Unavailable
from tests.unit.github.github_api import API, PEM, REPO, SHOP, Clock, client_at, mints_tokens

INSTALLATION = SHOP.installation_id


async def _unfenced() -> None:
    return None


@respx.mock
async def test_concurrent_calls_create_one_token() -> None:
    clock = Clock()
    mint = mints_tokens(clock)
    respx.get(REPO).respond(json={"id": 10})
    async with client_at(clock) as client:
        await asyncio.gather(*(client.get(INSTALLATION, "/repos/acme/shop") for _ in range(20)))
        assert mint.call_count == 1
        clock.pass_by(minutes=57)
        await client.get(INSTALLATION, "/repos/acme/shop")
        assert mint.call_count == 1
        clock.pass_by(minutes=2)
        await client.get(INSTALLATION, "/repos/acme/shop")
        assert mint.call_count == 2


@respx.mock
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_revoked_token_is_replaced_once(method: str) -> None:
    clock = Clock()
    mint = mints_tokens(clock)
    bad = httpx.Response(401, json={"message": "Bad credentials"})
    route = respx.route(method=method, url=REPO).mock(side_effect=[bad, httpx.Response(200, json={})])
    async with client_at(clock) as client:
        await _ask(client, method)
        assert (mint.call_count, route.call_count) == (2, 2)
        assert route.calls.last.request.headers["Authorization"] == "Bearer token-2"
        route.mock(return_value=bad)
        with pytest.raises(Rejected):
            await _ask(client, method)
        assert (mint.call_count, route.call_count) == (3, 4)


FORBIDDEN = httpx.Response(403, json={"message": "Resource not accessible by integration"})


@respx.mock
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_permission_that_was_just_accepted_counts_at_once(method: str) -> None:
    """A token has the permissions of its creation, so a new one is created for a refused call."""
    clock = Clock()
    mint = mints_tokens(clock)
    route = respx.route(method=method, url=REPO).respond(json={})
    async with client_at(clock) as client:
        await _ask(client, method)
        clock.pass_by(minutes=2)
        route.mock(side_effect=[FORBIDDEN, httpx.Response(200, json={})])
        await _ask(client, method)
        assert route.calls.last.request.headers["Authorization"] == "Bearer token-2"
        route.mock(return_value=FORBIDDEN)
        for _ in range(3):
            with pytest.raises(Rejected, match="may lack a permission"):
                await _ask(client, method)
        assert mint.call_count == 2, "a permission that is missing still does not cost a token for each call"


@respx.mock
async def test_archive_and_graphql_drop_a_token_without_a_permission() -> None:
    clock = Clock()
    mint = mints_tokens(clock)
    respx.get(f"{REPO}/tarball/x").mock(return_value=FORBIDDEN)
    refusal = {"data": {"w0": None}, "errors": [{"type": "FORBIDDEN", "path": ["w0"]}]}
    respx.post("https://github.example.com/api/graphql").respond(json=refusal)
    async with client_at(clock) as client:

        async def download() -> None:
            async with client.stream(INSTALLATION, "/repos/acme/shop/tarball/x"):
                raise AssertionError("the download is refused")

        with pytest.raises(Rejected):
            await download()
        clock.pass_by(minutes=2)
        with pytest.raises(Unavailable, match="retrying with a new one"):
            await download()
        with pytest.raises(Rejected):
            await download()
        assert mint.call_count == 2
        clock.pass_by(minutes=2)
        await client.graphql(INSTALLATION, "mutation { x }", {}, _unfenced, writer="test")
        await client.graphql(INSTALLATION, "mutation { x }", {}, _unfenced, writer="test")
        assert mint.call_count == 3


@respx.mock
async def test_token_that_is_created_during_a_change_of_permissions_is_not_kept() -> None:
    clock = Clock()
    asked, answer = asyncio.Event(), asyncio.Event()
    minted = 0

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal minted
        minted += 1
        name = f"token-{minted}"
        asked.set()
        await answer.wait()
        expires_at = (clock() + timedelta(hours=1)).isoformat()
        return httpx.Response(201, json={"token": name, "expires_at": expires_at})

    respx.post(f"{API}/app/installations/20/access_tokens").mock(side_effect=slow)
    route = respx.get(REPO).respond(json={})
    async with client_at(clock) as client:
        first = asyncio.create_task(_ask(client, "GET"))
        await asked.wait()
        client.permissions_changed(INSTALLATION)
        answer.set()
        await first
        await _ask(client, "GET")
        assert route.calls.last.request.headers["Authorization"] == "Bearer token-2"
        await _ask(client, "GET")
        assert minted == 2


async def _ask(client: GitHubClient, method: str) -> None:
    if method == "GET":
        await client.get(INSTALLATION, "/repos/acme/shop")
    else:
        await client.post(INSTALLATION, "/repos/acme/shop", {}, _unfenced, writer="test")


@respx.mock
async def test_writes_are_not_retried() -> None:
    clock = Clock()
    mints_tokens(clock)
    route = respx.post(REPO).respond(502)
    async with client_at(clock) as client:
        with pytest.raises(Unavailable):
            await _ask(client, "POST")
    assert route.call_count == 1


@respx.mock
async def test_unchanged_resources_are_read_from_the_cache() -> None:
    clock = Clock()
    mints_tokens(clock)
    route = respx.get(REPO).mock(
        side_effect=[
            httpx.Response(200, json={"id": 10}, headers={"ETag": '"one"'}),
            httpx.Response(304),
        ]
    )
    async with client_at(clock) as client:
        first = await client.get(INSTALLATION, "/repos/acme/shop")
        second = await client.get(INSTALLATION, "/repos/acme/shop")
    assert first.json() == second.json() == {"id": 10}
    assert route.calls.last.request.headers["If-None-Match"] == '"one"'


RATE_LIMITS = {
    "primary": (403, {"x-ratelimit-remaining": "0"}, "API rate limit exceeded", None),
    "primary as 429": (429, {"x-ratelimit-remaining": "0"}, "API rate limit exceeded", None),
    "secondary": (403, {"retry-after": "90"}, "You have exceeded a secondary rate limit.", 90),
    "secondary without a time": (403, {}, "You have exceeded a secondary rate limit.", 60),
    "a proxy's": (429, {"retry-after": "30"}, "slow down", 30),
}


@respx.mock
@pytest.mark.parametrize("name", RATE_LIMITS)
async def test_rate_limit_blocks_requests_until_it_ends(name: str) -> None:
    status, headers, message, seconds = RATE_LIMITS[name]
    clock = Clock()
    mints_tokens(clock)
    reset = {"x-ratelimit-reset": str(int(clock().timestamp()) + 600)} if seconds is None else {}
    limited = httpx.Response(status, json={"message": message}, headers={**headers, **reset})
    route = respx.get(REPO).mock(side_effect=[limited, httpx.Response(200, json={})])
    other = respx.get(f"{API}/app").respond(json={})
    async with client_at(clock) as client:
        with pytest.raises(Unavailable) as raised:
            await _ask(client, "GET")
        expected = clock() + timedelta(seconds=600 if seconds is None else seconds)
        assert raised.value.retry_at is not None
        assert abs(raised.value.retry_at - expected) <= timedelta(seconds=2)
        with pytest.raises(Unavailable):
            await _ask(client, "POST")
        assert route.call_count == 1
        await client.get(None, "/app")
        assert other.called, "the limit is one installation's, not everybody's"
        clock.pass_by(seconds=602)
        await _ask(client, "GET")


REFUSALS = {
    "a permission": (
        403,
        {"X-Accepted-GitHub-Permissions": "deployments=write"},
        "Resource not accessible by integration",
        "needs the permission deployments=write",
    ),
    "a suspension": (403, {}, "This installation has been suspended", "must unsuspend"),
    "nothing there": (404, {}, "Not Found", "no longer installed"),
    "a bad field": (422, {}, "Validation Failed", "Validation Failed"),
}


@respx.mock
@pytest.mark.parametrize("name", REFUSALS)
async def test_rejection_states_what_to_do(name: str) -> None:
    status, headers, message, sentence = REFUSALS[name]
    clock = Clock()
    mints_tokens(clock)
    respx.get(REPO).respond(status, json={"message": message}, headers=headers)
    async with client_at(clock) as client:
        with pytest.raises(Rejected, match=sentence) as refused:
            await _ask(client, "GET")
    assert isinstance(refused.value, NotFound) == (status == 404)


@respx.mock
@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError("no route"), httpx.ReadTimeout("slow"), httpx.ReadError("broken")]
)
async def test_outage_raises_unavailable(trouble: Exception) -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(REPO).mock(side_effect=trouble)
    async with client_at(clock) as client:
        with pytest.raises(Unavailable):
            await _ask(client, "GET")


@respx.mock
async def test_page_of_a_proxy_raises_unavailable() -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(REPO).respond(200, html="<h1>Maintenance</h1>")
    async with client_at(clock) as client:
        reply = await client.get(INSTALLATION, "/repos/acme/shop")
        with pytest.raises(Unavailable, match="not JSON"):
            reply.json()


@respx.mock
@pytest.mark.parametrize(
    ("status", "sentence"),
    [(404, "no longer installed"), (401, "GITHUB_PRIVATE_KEY"), (403, "unsuspend")],
)
async def test_token_rejection_states_the_reason(status: int, sentence: str) -> None:
    clock = Clock()
    message = {"message": "This installation has been suspended"}
    respx.post(f"{API}/app/installations/20/access_tokens").respond(status, json=message)
    async with client_at(clock) as client:
        with pytest.raises(Rejected, match=sentence):
            await _ask(client, "GET")


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("no route"),
        httpx.Response(403, json={"message": "no"}),
        httpx.Response(500),
        httpx.Response(401, json={"message": "Bad credentials"}),
    ],
)
async def test_errors_contain_no_token_or_key(answer: httpx.Response | Exception) -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(REPO).mock(side_effect=answer if isinstance(answer, Exception) else [answer, answer])
    async with client_at(clock) as client:
        with pytest.raises((Unavailable, Rejected)) as raised:
            await _ask(client, "GET")
        words = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(vars(client))
    assert "token-1" not in words
    assert PEM.splitlines()[1] not in words


@respx.mock
async def test_graphql_url_of_enterprise_server() -> None:
    clock = Clock()
    mints_tokens(clock)
    route = respx.post("https://github.example.com/api/graphql").respond(json={"data": {"w0": None}})
    async with client_at(clock) as client:
        done = await client.graphql(INSTALLATION, "mutation { x }", {}, _unfenced, writer="test")
    assert route.called
    assert (done.data, done.errors) == ({"w0": None}, [])


@respx.mock
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, Unavailable),
        ({"errors": [{"message": "Something went wrong while executing your query."}]}, Unavailable),
        ({"errors": [{"message": "no such field", "extensions": {"code": "undefinedField"}}]}, Rejected),
    ],
)
async def test_graphql_errors(answer: object, error: type[Exception]) -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.post("https://github.example.com/api/graphql").respond(json=answer)
    async with client_at(clock) as client:
        with pytest.raises(error):
            await client.graphql(INSTALLATION, "mutation { x }", {}, _unfenced, writer="test")
