"""The default branch and its tags at a GitHub that answers over HTTP; Deployments that stand alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.embedded.github import GitHubServer
from bot.model.errors import Rejected
from bot.model.promotion import PromotionState
from bot.model.repository import Repository
from tests.contract.github_desk import FILES, Desk
from tests.unit.github.promotions import RUNNING

CONFIGURATION = ".greenroom.yml"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        for login in ("ben", "eve"):
            server.accounts.create_user(login)
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {"price.txt": "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        desk = Desk(server)
        yield desk
        await desk.app.close()


async def test_head_and_last_change_of_a_file(desk: Desk) -> None:
    shop, push = desk.repository, desk.github.repositories.push
    changed = push("acme/shop", "main", {CONFIGURATION: "version: 2\n"}, by="ben")
    newest = push("acme/shop", "main", {"NOTES.md": "1\n"}, by="eve")
    head, last = await desk.app.commits.head(shop), await desk.app.commits.last_change(shop, CONFIGURATION)
    assert head is not None
    assert last is not None
    assert (head.sha, head.by, head.authors) == (newest, "eve", ("eve",))
    assert (last.sha, last.by) == (changed, "ben")
    assert await desk.app.commits.last_change(shop, "nowhere") is None
    assert await desk.app.commits.commit(shop, changed) == last


async def test_reading_the_head_refreshes_the_configuration(desk: Desk) -> None:
    shop = desk.repository
    assert await desk.app.contents.default_branch_file(shop, CONFIGURATION) == "version: 1\n"
    desk.github.repositories.push("acme/shop", "main", {CONFIGURATION: "version: 2\n"}, by="ben")
    await desk.app.commits.head(shop)
    assert await desk.app.contents.default_branch_file(shop, CONFIGURATION) == "version: 2\n"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_merged_pull_request_of_a_commit(desk: Desk, method: str) -> None:
    shop = desk.repository
    pushed = desk.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    head = (await desk.pull()).head_sha
    assert await desk.app.commits.merged_by(shop, pushed) is None
    assert await desk.app.commits.merged_by(shop, head) is None  # not merged yet
    merge = desk.github.pulls.merge("acme/shop", 1, by="ben", method=method)  # type: ignore[arg-type]  # one of the three
    assert await desk.app.commits.merged_by(shop, merge) == 1
    assert await desk.app.commits.merged_by(shop, pushed) is None


@pytest.mark.parametrize("message", [None, "The first"])
async def test_tag_resolves_to_its_commit(desk: Desk, message: str | None) -> None:
    shop = desk.repository
    first = desk.github.repositories.tag("acme/shop", "release/v1", by="ben", message=message)
    assert await desk.app.commits.tag(shop, "release/v1") == first
    assert await desk.app.commits.tag(shop, "main") is None
    newer = desk.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    desk.github.repositories.tag("acme/shop", "release/v1", by="ben", message=message)
    assert await desk.app.commits.tag(shop, "release/v1") == newer
    unseen = Repository(1, shop.installation_id, "acme", "unseen")
    with pytest.raises(Rejected, match="cannot see acme/unseen"):
        await desk.app.commits.tag(unseen, "v1")


async def test_only_merged_commits_are_in_the_default_branch(desk: Desk) -> None:
    shop = desk.repository
    old = desk.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    new = desk.github.repositories.push("acme/shop", "main", {"NOTES.md": "2\n"}, by="ben")
    assert await desk.app.commits.in_default_branch(shop, old)
    assert await desk.app.commits.in_default_branch(shop, new)
    assert not await desk.app.commits.in_default_branch(shop, (await desk.pull()).head_sha)
    assert not await desk.app.commits.in_default_branch(shop, "f" * 40)


async def test_commits_of_a_fork_are_not_in_the_default_branch(desk: Desk) -> None:
    """GitHub shows the commits of forks under the name of the repository that they come from."""
    desk.github.repositories.fork("acme/shop", by="eve")
    theirs = desk.github.repositories.push("eve/shop", "main", {"evil.txt": "1\n"}, by="eve")
    assert (await desk.app.commits.commit(desk.repository, theirs)).sha == theirs
    assert not await desk.app.commits.in_default_branch(desk.repository, theirs)


async def test_promotion_without_pull_request_reports_a_deployment(desk: Desk) -> None:
    release = RUNNING.release
    assert release is not None
    head = await desk.app.commits.head(desk.repository)
    assert head is not None
    promotion = replace(
        RUNNING, repository=desk.repository, number=None, release=replace(release, commit=head.sha)
    )
    for state in (PromotionState.DEPLOYING, PromotionState.SUCCEEDED, PromotionState.SUCCEEDED):
        told = replace(promotion, state=state)
        await desk.app.reporter.report_promotion(told, None, desk.receipt, desk.fence, desk.save)
    [deployment] = desk.github.deployments.of("acme/shop")
    assert (deployment.environment, deployment.sha, deployment.state) == ("production", head.sha, "success")
    assert desk.comments == []
