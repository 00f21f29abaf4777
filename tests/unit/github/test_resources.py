"""What is read from GitHub: pull requests, CI, files, installations and deliveries."""

from __future__ import annotations

import asyncio
import io
import tarfile
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from bot.github.client.github_client import GitHubClient
from bot.github.resources import contents
from bot.github.resources.collaborators import Collaborators
from bot.github.resources.contents import Contents
from bot.github.resources.installations import Installations, undelivered
from bot.github.resources.pull_requests import PullRequests, read_pull_request
from bot.github.resources.selection import MIB, Limits
from bot.model.commit import Authors, UnknownAuthor, UnknownRole
from bot.model.commit_files import CommitFiles
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from tests.unit.github.github_api import API, REPO, SHOP, Clock, client_at, mints_tokens, pull_json


def _pull_requests(client: GitHubClient) -> PullRequests:
    return PullRequests(client, Contents(client), Collaborators(client))


def test_unknown_fields_of_a_pull_request_are_ignored() -> None:
    pull = read_pull_request(pull_json(unknown={"new": 1}), 20)
    assert pull.repository == SHOP
    assert (pull.number, pull.open, pull.merged, pull.from_fork) == (7, True, False, False)
    assert (pull.head_ref, pull.labels, pull.author_is_bot) == ("größe", ("preview",), False)


def test_fields_of_deleted_accounts_and_forks_may_be_absent() -> None:
    pull = read_pull_request(pull_json(user=None, head__repo=None, labels=None, updated_at=None), 20)
    assert pull.author == "ghost"
    assert pull.from_fork, "a head that is not provably here counts as a fork"


@pytest.mark.parametrize("gone", ["head__sha", "base__repo", "node_id", "state", "number"])
def test_incomplete_pull_request_raises_unavailable(gone: str) -> None:
    with pytest.raises(Unavailable):
        read_pull_request(pull_json(**{gone: None}), 20)


@respx.mock
async def test_missing_pull_request_requires_a_visible_repository() -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(f"{REPO}/pulls/7").respond(404, json={"message": "Not Found"})
    seen = respx.get(REPO)
    async with client_at(clock) as client:
        pulls = _pull_requests(client)
        seen.respond(json={"id": 10})
        assert await pulls.pull_request(SHOP, 7) is None
        seen.respond(404, json={"message": "Not Found"})
        with pytest.raises(Rejected, match="cannot see acme/shop"):
            await pulls.pull_request(SHOP, 7)
        seen.respond(json={"id": 11})
        with pytest.raises(Rejected, match="another repository"):
            await _pull_requests(client).pull_request(SHOP, 7)


@respx.mock
async def test_authors_of_too_many_commits_are_rejected() -> None:
    clock = Clock()
    mints_tokens(clock)
    head = {"head__repo__full_name": "acme/shop", "head__ref": "branch", "head__sha": "a" * 40}
    respx.get(f"{REPO}/pulls/7").respond(json=pull_json(user__login="ada", **head))
    commits = respx.get(f"{REPO}/pulls/7/commits")
    pushes = respx.get(f"{REPO}/activity").respond(json=[{"after": "a" * 40, "actor": {"login": "eve"}}])
    async with client_at(clock) as client:
        pulls = _pull_requests(client)
        commits.respond(json=[{"author": {"login": "bea"}, "committer": None}] * 249)
        assert await pulls.authors(SHOP, 7) == Authors(
            ("ada", "bea", "eve"), (UnknownAuthor("", UnknownRole.COMMITTER),)
        )
        trailers = "Co-authored-by: Cem <12+cem@users.noreply.github.com>\nco-authored-by: D <d@e.f>\n"
        commits.respond(json=[{"author": None, "commit": {"message": f"Paint\n\n{trailers}"}}])
        authors = await pulls.authors(SHOP, 7)
        assert authors.logins == ("ada", "cem", "eve")
        roles = {UnknownRole.AUTHOR, UnknownRole.COMMITTER, UnknownRole.CO_AUTHOR}
        assert {unknown.role for unknown in authors.unknown} == roles
        pushes.respond(404, json={"message": "Not Found"})
        respx.get(REPO).respond(json={"id": SHOP.id})
        assert UnknownAuthor("a" * 40, UnknownRole.PUSHER) in (await pulls.authors(SHOP, 7)).unknown
        commits.respond(json=[{"author": {"login": "bea"}, "committer": None}] * 250)
        with pytest.raises(Rejected, match="250 commits"):
            await pulls.authors(SHOP, 7)


@respx.mock
async def test_repository_with_a_reused_name_is_ignored() -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(f"{REPO}/pulls/7").respond(json=pull_json(base__repo__id=99))
    respx.get(f"{REPO}/pulls").respond(json=[pull_json(base__repo__id=99)])
    async with client_at(clock) as client:
        assert await _pull_requests(client).pull_request(SHOP, 7) is None
        assert await _pull_requests(client).open_pull_requests(SHOP) == []


@respx.mock
async def test_changed_paths_are_empty_above_githubs_limit() -> None:
    clock = Clock()
    mints_tokens(clock)
    renamed = {"filename": "docs/new.md", "previous_filename": "src/old.py"}
    files = respx.get(f"{REPO}/pulls/7/files")
    async with client_at(clock) as client:
        files.respond(json=[renamed])
        assert await _pull_requests(client).changed_paths(SHOP, 7) == ["docs/new.md", "src/old.py"]
        files.respond(json=[{"filename": f"docs/{n}.md"} for n in range(3000)])
        assert await _pull_requests(client).changed_paths(SHOP, 7) == ()


@respx.mock
async def test_default_branch_file_is_cached_for_a_minute() -> None:
    clock, monotonic = Clock(), 0.0
    mints_tokens(clock)
    route = respx.get(f"{REPO}/contents/.greenroom.yml")
    route.respond(text="version: 1\n", headers={"ETag": '"1"'})
    async with client_at(clock) as client:
        contents = Contents(client, monotonic=lambda: monotonic)
        for _ in range(3):
            assert await contents.default_branch_file(SHOP, ".greenroom.yml") == "version: 1\n"
        assert route.call_count == 1
        monotonic = 61.0
        route.respond(304)
        assert await contents.default_branch_file(SHOP, ".greenroom.yml") == "version: 1\n"
        contents.forget(SHOP)
        route.respond(text="version: 2\n")
        assert await contents.default_branch_file(SHOP, ".greenroom.yml") == "version: 2\n"


@respx.mock
async def test_read_in_progress_during_an_invalidation_is_not_cached() -> None:
    """A push arrives while the file is being read: the old text must not count as fresh."""
    clock = Clock()
    mints_tokens(clock)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(200, text="version: 1\n")

    route = respx.get(f"{REPO}/contents/.greenroom.yml").mock(side_effect=slow)
    async with client_at(clock) as client:
        contents = Contents(client)
        reading = asyncio.create_task(contents.default_branch_file(SHOP, ".greenroom.yml"))
        await asked.wait()
        contents.forget(SHOP)
        answer.set()
        assert await reading == "version: 1\n"
        route.mock(return_value=httpx.Response(200, text="version: 2\n"))
        assert await contents.default_branch_file(SHOP, ".greenroom.yml") == "version: 2\n"


@respx.mock
async def test_missing_file_requires_a_visible_repository() -> None:
    clock = Clock()
    mints_tokens(clock)
    respx.get(f"{REPO}/contents/.greenroom.yml").respond(404)
    seen = respx.get(REPO).respond(json={"id": 10})
    async with client_at(clock) as client:
        assert await Contents(client).default_branch_file(SHOP, ".greenroom.yml") is None
        seen.respond(404)
        with pytest.raises(Rejected):
            await Contents(client).default_branch_file(SHOP, ".greenroom.yml")


@respx.mock
async def test_token_is_not_sent_to_another_host() -> None:
    clock = Clock()
    mints_tokens(clock)
    archive = "https://codeload.example.com/acme/shop?token=short"
    respx.get(f"{REPO}/tarball/{'a' * 40}").respond(302, headers={"Location": archive})
    elsewhere = respx.get(archive).respond(content=b"no archive")
    async with client_at(clock) as client:
        with pytest.raises(Unavailable):
            await Contents(client).files(SHOP, "a" * 40, {""})
    assert "Authorization" not in elsewhere.calls.last.request.headers


@respx.mock
async def test_archive_download_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LIMITS", Limits(archive=50 * MIB))
    clock = Clock()
    mints_tokens(clock)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"\0" * 1024 * 1024

    respx.get(f"{REPO}/tarball/{'a' * 40}").mock(return_value=httpx.Response(200, content=endless()))
    async with client_at(clock) as client:
        with pytest.raises(Rejected, match="50 MiB"):
            await Contents(client).files(SHOP, "a" * 40, {""})
    assert sent == 51


def _archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"top/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@respx.mock
async def test_concurrent_readers_of_a_commit_share_one_download() -> None:
    """A reader that began the download may be cancelled; a failed download is repeated by the next reader."""
    clock, goes_on = Clock(), asyncio.Event()
    mints_tokens(clock)

    async def slowly(request: httpx.Request) -> httpx.Response:
        await goes_on.wait()
        return httpx.Response(200 if seen.call_count else 502, content=_archive({"a.txt": b"1"}))

    seen = respx.get(f"{REPO}/tarball/{'a' * 40}").mock(side_effect=slowly)
    async with client_at(clock) as client:
        contents = Contents(client)
        for failed in (True, False):
            goes_on.clear()
            before = seen.call_count
            readers = [asyncio.create_task(contents.files(SHOP, "a" * 40, {""})) for _ in range(3)]
            await asyncio.sleep(0.05)
            readers[0].cancel()
            goes_on.set()
            cancelled, *results = await asyncio.gather(*readers, return_exceptions=True)
            assert isinstance(cancelled, asyncio.CancelledError)
            assert seen.call_count == before + 1
            for result in results:
                assert isinstance(result, Unavailable if failed else CommitFiles)


def _attempt(id: int, guid: str, status_code: int, at: str) -> dict[str, Any]:
    return {"id": id, "guid": guid, "status_code": status_code, "delivered_at": at}


def test_undelivered_webhooks_have_no_successful_attempt() -> None:
    attempts = [
        _attempt(5, "b", 502, "2026-11-24T09:04:00Z"),
        _attempt(4, "a", 202, "2026-11-24T09:03:00Z"),
        _attempt(3, "b", 0, "2026-11-24T09:02:00Z"),
        _attempt(2, "a", 504, "2026-11-24T09:01:00Z"),
        _attempt(1, "c", 401, "2026-11-24T09:00:00Z"),
    ]
    assert [(attempt.id, attempt.guid) for attempt in undelivered(attempts)] == [(1, "c"), (5, "b")]


@respx.mock
async def test_failed_deliveries_are_read_back_to_the_given_time() -> None:
    clock = Clock()
    path = f"{API}/app/hook/deliveries"
    old = (clock() - timedelta(hours=7)).isoformat()
    new = (clock() - timedelta(hours=1)).isoformat()
    more = {"Link": f'<{path}?per_page=100&cursor=v1_1>; rel="next"'}
    second = respx.get(path, params={"cursor": "v1_1"}).respond(
        json=[_attempt(2, "b", 500, new), _attempt(1, "c", 500, old)],
        headers={"Link": f'<{path}?per_page=100&cursor=v1_0>; rel="next"'},
    )
    respx.get(path, params={"per_page": 100}).respond(json=[_attempt(3, "a", 500, new)], headers=more)
    redelivered = respx.post(f"{path}/3/attempts").respond(202, json={})
    async with client_at(clock) as client:
        installations = Installations(client)
        failed = await installations.failed_deliveries(clock() - timedelta(hours=6))
        assert [attempt.guid for attempt in failed] == ["b", "a"]
        await installations.redeliver(failed[1])
    assert second.call_count == 1
    assert redelivered.called


@respx.mock
async def test_incomplete_list_of_repositories_raises() -> None:
    clock = Clock()
    mints_tokens(clock)
    path = f"{API}/installation/repositories"
    repository = {"id": 10, "name": "shop", "owner": {"login": "acme"}}
    more = {"Link": f'<{path}?page=2>; rel="next"'}
    second = respx.get(path, params={"page": 2}).respond(json={"repositories": [repository]})
    respx.get(path).respond(json={"repositories": [repository]}, headers=more)
    async with client_at(clock) as client:
        assert await Installations(client).repositories_of(20) == [Repository(10, 20, "acme", "shop")] * 2
        second.respond(502)
        with pytest.raises(Unavailable):
            await Installations(client).repositories_of(20)
