"""Lists of GitHub are complete, or an error."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from bot.github.client.github_client import GitHubClient
from bot.github.resources.installations import Installations
from bot.model.errors import Unavailable
from tests.unit.github.github_api import API, REPO, SHOP, Clock, client_at, mints_tokens

INSTALLATION = SHOP.installation_id
PATH = "/repos/acme/shop/pulls"


async def _read(client: GitHubClient, **options: Any) -> list[Any]:
    return [row async for page in client.pages(INSTALLATION, PATH, **options) for row in page]


@respx.mock
async def test_pages_use_only_the_query_of_the_link() -> None:
    clock = Clock()
    mints_tokens(clock)
    path = f"{REPO}/pulls"
    elsewhere = '<https://evil.example/repositories/10/pulls?per_page=100&page=2>; rel="next"'
    respx.get(path, params={"per_page": 100, "page": 2}).respond(json=[2])
    respx.get(path, params={"per_page": 100}).respond(json=[1], headers={"Link": elsewhere})
    async with client_at(clock) as client:
        assert await _read(client) == [1, 2]


@respx.mock
async def test_every_repository_of_a_large_installation_is_listed() -> None:
    """6,000 repositories are 60 pages."""
    clock = Clock()
    mints_tokens(clock)
    path = f"{API}/installation/repositories"

    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        ids = range((page - 1) * 100 + 1, page * 100 + 1)
        rows = [{"id": id, "name": f"r{id}", "owner": {"login": "acme"}} for id in ids]
        headers = {"Link": f'<{path}?page={page + 1}>; rel="next"'} if page < 60 else {}
        return httpx.Response(200, json={"total_count": 6000, "repositories": rows}, headers=headers)

    respx.get(path).mock(side_effect=answer)
    async with client_at(clock) as client:
        listed = await Installations(client).repositories_of(INSTALLATION)
    assert [repository.id for repository in listed] == list(range(1, 6001))


@respx.mock
@pytest.mark.parametrize("body", [{}, {"rows": None}, [], {"total_count": 2, "rows": [1]}])
async def test_incomplete_list_raises(body: object) -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(f"{REPO}/pulls").respond(json=body)
    async with client_at(clock) as client:
        with pytest.raises(Unavailable):
            await _read(client, key="rows")


@respx.mock
async def test_endless_list_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.github.client.github_client._MAX_PAGES", 5)
    clock = Clock()
    mints_tokens(clock)
    again = {"Link": f'<{REPO}/pulls?page=1>; rel="next"'}
    respx.get(f"{REPO}/pulls").respond(json=[1], headers=again)
    async with client_at(clock) as client:
        with pytest.raises(Unavailable, match="more than 5 pages"):
            await _read(client)


@respx.mock
async def test_page_that_follows_an_unchanged_full_page_is_read() -> None:
    """GitHub answers 304 for a full page although another page follows it since."""
    clock = Clock()
    mints_tokens(clock)
    full, link = list(range(100)), {"Link": f'<{REPO}/pulls?page=2>; rel="next"'}
    more: dict[str, str] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("page") == "2":
            return httpx.Response(200, json=[100])
        if request.headers.get("If-None-Match") == '"full"':
            return httpx.Response(304)
        return httpx.Response(200, json=full, headers={"ETag": '"full"', **more})

    respx.get(f"{REPO}/pulls").mock(side_effect=answer)
    async with client_at(clock) as client:
        assert await _read(client) == full
        more.update(link)
        assert await _read(client) == [*full, 100]
        assert await _read(client) == [*full, 100]
