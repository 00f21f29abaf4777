"""Reading a GitHub that answers over HTTP: files, CI, renames, installations, missed deliveries, rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bot.github.resources.permissions import EVENTS, PERMISSIONS, missing_permissions
from bot.model.ci import Ci, CiState
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from tests.contract.github_harness import FILES, GitHubHarness, shop_harness


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    async with shop_harness("preis/größe.txt") as harness:
        yield harness


async def test_pull_request_files_and_paths(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    assert (pull.author, pull.head_ref, pull.open, pull.from_fork) == ("ben", "price", True, False)
    assert await harness.app.pull_requests.open_pull_requests(harness.repository) == [pull]
    assert await harness.app.pull_requests.changed_paths(harness.repository, 1) == ["preis/größe.txt"]
    files = await harness.app.contents.files(harness.repository, pull.head_sha, {""})
    assert files["preis/größe.txt"] == b"2\n"
    assert set(FILES) < set(files)
    harness.github.requests.clear()
    assert await harness.app.contents.files(harness.repository, pull.head_sha, {""}) is files
    assert harness.api_calls() == []


async def test_missing_objects_differ_from_invisible_ones(harness: GitHubHarness) -> None:
    assert await harness.app.pull_requests.pull_request(harness.repository, 99) is None
    assert await harness.app.contents.default_branch_file(harness.repository, "missing.yml") is None
    with pytest.raises(Rejected):
        await harness.app.contents.files(harness.repository, "f" * 40, {""})
    unseen = Repository(1, harness.repository.installation_id, "acme", "unseen")
    for ask in (
        harness.app.pull_requests.pull_request(unseen, 1),
        harness.app.contents.default_branch_file(unseen, "x"),
    ):
        with pytest.raises(Rejected, match="cannot see acme/unseen"):
            await ask


async def test_repeated_read_refreshes_the_configuration(harness: GitHubHarness) -> None:
    await harness.pull()
    assert (
        await harness.app.contents.default_branch_file(harness.repository, ".greenroom.yml") == "version: 1\n"
    )
    harness.github.repositories.push("acme/shop", "main", {".greenroom.yml": "version: 2\n"}, by="ben")
    await harness.pull()
    assert (
        await harness.app.contents.default_branch_file(harness.repository, ".greenroom.yml") == "version: 2\n"
    )


async def test_renamed_repository_is_found_by_its_old_name(harness: GitHubHarness) -> None:
    await harness.pull()
    harness.github.repositories.rename("acme/shop", "store", by="ben")
    assert (await harness.pull()).repository.name == "store"


async def test_ci_uses_results_of_other_apps(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    shop, sha = harness.repository, pull.head_sha
    assert await harness.app.checks.ci(shop, sha) == Ci(CiState.NONE)
    harness.github.checks.ci("acme/shop", sha, None)
    assert (await harness.app.checks.ci(shop, sha)).state is CiState.PENDING
    harness.github.checks.ci("acme/shop", sha, "failure")
    assert await harness.app.checks.ci(shop, sha) == Ci(CiState.FAILED, ("build",))


async def test_repositories_of_an_active_installation_are_listed(harness: GitHubHarness) -> None:
    installations = harness.app.installations
    [installation] = await installations.list_all()
    assert await installations.repositories_of(installation.id) == [harness.repository]
    harness.github.apps.suspend(installation.id, by="ben")
    assert [listed.suspended for listed in await installations.list_all()] == [True]
    with pytest.raises(Rejected, match="unsuspend"):
        await installations.repositories_of(installation.id)
    with pytest.raises(Rejected, match="unsuspend"):
        await harness.pull()


async def test_failed_delivery_is_found_and_redelivered(harness: GitHubHarness) -> None:
    since = harness.clock() - timedelta(minutes=5)
    harness.github.apps.set_webhook("http://127.0.0.1:9/webhooks")
    harness.github.repositories.push("acme/shop", "price", {"price.txt": "4\n"}, by="ben")
    harness.github.wait_idle()
    failed = await harness.app.installations.failed_deliveries(since)
    assert {delivery.guid for delivery in failed} == {
        delivery.guid for delivery in harness.github.world.state.deliveries.values()
    }
    await harness.app.installations.redeliver(failed[0])
    harness.github.wait_idle()
    newest = (await harness.app.installations.failed_deliveries(since))[-1]
    assert newest.guid == failed[0].guid, "it failed again, and its newest attempt is the one to repeat"
    assert newest.id != failed[0].id


async def test_missing_permissions_are_listed(harness: GitHubHarness) -> None:
    assert await missing_permissions(harness.app.client) == []
    needed = {**PERMISSIONS, "checks": "read"}
    harness.github.apps.set_permissions(needed, tuple(EVENTS - {"push"}))
    missing = await missing_permissions(harness.app.client)
    assert len(missing) == 2
    assert "checks: write" in missing[0]
    assert "event push" in missing[1]


async def test_revoked_and_expired_tokens_are_replaced(harness: GitHubHarness) -> None:
    await harness.pull()
    harness.github.apps.revoke_tokens()
    await harness.pull()
    mints = harness.github.requests.calls("POST", "access_tokens$")
    assert len(mints) == 2


async def test_outage_raises_unavailable(harness: GitHubHarness) -> None:
    harness.github.faults.add("outage")
    with pytest.raises(Unavailable):
        await harness.pull()
    harness.github.faults.clear()
    await harness.pull()


async def test_graphql_follows_githubs_schema(harness: GitHubHarness) -> None:
    token = harness.app.connection.app_authorization()
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{harness.github.api_url}/app/installations/{harness.repository.installation_id}/access_tokens"
        minted = (await http.post(url, headers={"Authorization": token})).json()
        headers = {"Authorization": f"Bearer {minted['token']}"}

        async def ask(query: str) -> dict[str, Any]:
            answer = await http.post(
                f"{harness.github.url}/api/graphql", json={"query": query}, headers=headers
            )
            assert answer.status_code == 200
            return answer.json()

        viewer = await ask("{ viewer { login } }")
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
        unsigned = await http.post(
            f"{harness.github.url}/api/graphql", json={"query": "{ viewer { login } }"}
        )
        assert unsigned.status_code == 401


async def test_access_is_lost_only_with_evidence(harness: GitHubHarness) -> None:
    github, repository = harness.github, harness.repository
    [installation] = github.world.state.installations
    assert not await harness.app.installations.access_lost(repository)
    github.faults.add("empty_lists")
    assert not await harness.app.installations.access_lost(repository)
    github.faults.clear()
    github.faults.add("error", status=401)
    assert not await harness.app.installations.access_lost(repository)
    github.faults.clear()
    github.apps.suspend(installation, by="ada")
    await harness.restart()
    assert not await harness.app.installations.access_lost(repository)
    github.apps.unsuspend(installation, by="ada")
    github.apps.uninstall(installation, by="ada")
    github.faults.add("error", status=502)
    with pytest.raises(Unavailable):
        await harness.app.installations.access_lost(repository)
    github.faults.clear()
    assert await harness.app.installations.access_lost(repository)
