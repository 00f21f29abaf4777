"""Reading a GitHub that answers over HTTP: files, CI, renames, installations, missed deliveries, rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bot.embedded.github import GitHubServer
from bot.github.resources.permissions import EVENTS, PERMISSIONS, missing_permissions
from bot.model.ci import Ci, CiState
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from tests.contract.github_desk import FILES, Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {"preis/größe.txt": "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        desk = Desk(server)
        yield desk
        await desk.app.close()


async def test_pull_request_files_and_paths(desk: Desk) -> None:
    pull = await desk.pull()
    assert (pull.author, pull.head_ref, pull.open, pull.from_fork) == ("ben", "price", True, False)
    assert await desk.app.pull_requests.open_pull_requests(desk.repository) == [pull]
    assert await desk.app.pull_requests.changed_paths(desk.repository, 1) == ["preis/größe.txt"]
    files = await desk.app.contents.files(desk.repository, pull.head_sha)
    assert files["preis/größe.txt"] == b"2\n"
    assert set(FILES) < set(files)
    desk.github.requests.clear()
    assert await desk.app.contents.files(desk.repository, pull.head_sha) is files
    assert desk.api_calls() == []


async def test_missing_objects_differ_from_invisible_ones(desk: Desk) -> None:
    assert await desk.app.pull_requests.pull_request(desk.repository, 99) is None
    assert await desk.app.contents.default_branch_file(desk.repository, "missing.yml") is None
    with pytest.raises(Rejected):
        await desk.app.contents.files(desk.repository, "f" * 40)
    unseen = Repository(1, desk.repository.installation_id, "acme", "unseen")
    for ask in (
        desk.app.pull_requests.pull_request(unseen, 1),
        desk.app.contents.default_branch_file(unseen, "x"),
    ):
        with pytest.raises(Rejected, match="cannot see acme/unseen"):
            await ask


async def test_reading_a_pull_request_again_refreshes_the_configuration(desk: Desk) -> None:
    await desk.pull()
    assert await desk.app.contents.default_branch_file(desk.repository, ".greenroom.yml") == "version: 1\n"
    desk.github.repositories.push("acme/shop", "main", {".greenroom.yml": "version: 2\n"}, by="ben")
    await desk.pull()
    assert await desk.app.contents.default_branch_file(desk.repository, ".greenroom.yml") == "version: 2\n"


async def test_renamed_repository_is_found_by_its_old_name(desk: Desk) -> None:
    await desk.pull()
    desk.github.repositories.rename("acme/shop", "store", by="ben")
    assert (await desk.pull()).repository.name == "store"


async def test_ci_uses_results_of_other_apps(desk: Desk) -> None:
    pull = await desk.pull()
    shop, sha = desk.repository, pull.head_sha
    assert await desk.app.checks.ci(shop, sha) == Ci(CiState.NONE)
    desk.github.checks.ci("acme/shop", sha, None)
    assert (await desk.app.checks.ci(shop, sha)).state is CiState.PENDING
    desk.github.checks.ci("acme/shop", sha, "failure")
    assert await desk.app.checks.ci(shop, sha) == Ci(CiState.FAILED, ("build",))


async def test_repositories_of_active_installations_are_listed(desk: Desk) -> None:
    assert await desk.app.installations.repositories() == [desk.repository]
    desk.github.apps.suspend(desk.repository.installation_id, by="ben")
    assert await desk.app.installations.repositories() == []
    with pytest.raises(Rejected, match="unsuspend"):
        await desk.pull()


async def test_failed_delivery_is_found_and_redelivered(desk: Desk) -> None:
    since = desk.clock() - timedelta(minutes=5)
    desk.github.apps.set_webhook("http://127.0.0.1:9/webhooks")
    desk.github.repositories.push("acme/shop", "price", {"price.txt": "4\n"}, by="ben")
    desk.github.wait_idle()
    failed = await desk.app.installations.failed_deliveries(since)
    assert {one.guid for one in failed} == {one.guid for one in desk.github.world.state.deliveries.values()}
    await desk.app.installations.redeliver(failed[0])
    desk.github.wait_idle()
    newest = (await desk.app.installations.failed_deliveries(since))[-1]
    assert newest.guid == failed[0].guid, "it failed again, and its newest attempt is the one to repeat"
    assert newest.id != failed[0].id


async def test_missing_permissions_are_listed(desk: Desk) -> None:
    assert await missing_permissions(desk.app.client) == []
    needed = {**PERMISSIONS, "checks": "read"}
    desk.github.apps.set_permissions(needed, tuple(EVENTS - {"push"}))
    told = await missing_permissions(desk.app.client)
    assert len(told) == 2
    assert "checks: write" in told[0]
    assert "event push" in told[1]


async def test_revoked_and_expired_tokens_are_replaced(desk: Desk) -> None:
    await desk.pull()
    desk.github.apps.revoke_tokens()
    await desk.pull()
    mints = desk.github.requests.calls("POST", "access_tokens$")
    assert len(mints) == 2


async def test_outage_raises_unavailable(desk: Desk) -> None:
    desk.github.faults.add("outage")
    with pytest.raises(Unavailable):
        await desk.pull()
    desk.github.faults.clear()
    await desk.pull()


async def test_graphql_follows_githubs_schema(desk: Desk) -> None:
    token = desk.app.connection.app_authorization()
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{desk.github.api_url}/app/installations/{desk.repository.installation_id}/access_tokens"
        minted = (await http.post(url, headers={"Authorization": token})).json()
        headers = {"Authorization": f"Bearer {minted['token']}"}

        async def ask(query: str) -> dict[str, Any]:
            answer = await http.post(f"{desk.github.url}/api/graphql", json={"query": query}, headers=headers)
            assert answer.status_code == 200
            return answer.json()

        viewer = await ask("{ viewer { login } rateLimit { limit remaining } }")
        assert viewer["data"]["viewer"] == {"login": "greenroom[bot]"}
        undefined = await ask("mutation { deleteEverything { id } }")
        assert "data" not in undefined
        assert undefined["errors"][0]["extensions"]["code"] == "undefinedField"
        partial = await ask(
            'mutation { a: updateIssueComment(input: {id: "nothing", body: "x"}) { issueComment { id } } }'
        )
        assert partial["data"] == {"a": None}
        [error] = partial["errors"]
        assert (error["type"], error["path"]) == ("NOT_FOUND", ["a"])
        unsigned = await http.post(f"{desk.github.url}/api/graphql", json={"query": "{ viewer { login } }"})
        assert unsigned.status_code == 401


async def test_access_is_lost_only_with_evidence(desk: Desk) -> None:
    github, repository = desk.github, desk.repository
    [installation] = github.world.state.installations
    assert not await desk.app.installations.access_lost(repository)
    github.faults.add("empty_lists")
    assert not await desk.app.installations.access_lost(repository)
    github.faults.clear()
    github.faults.add("error", status=401)
    assert not await desk.app.installations.access_lost(repository)
    github.faults.clear()
    github.apps.suspend(installation, by="ada")
    await desk.restart()
    assert not await desk.app.installations.access_lost(repository)
    github.apps.unsuspend(installation, by="ada")
    github.apps.uninstall(installation, by="ada")
    github.faults.add("error", status=502)
    with pytest.raises(Unavailable):
        await desk.app.installations.access_lost(repository)
    github.faults.clear()
    assert await desk.app.installations.access_lost(repository)
