"""The default branch and its tags at a GitHub that answers over HTTP; Deployments that stand alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.embedded.github import GitHubServer
from bot.model.commit import Authors, UnknownAuthor, UnknownRole
from bot.model.errors import Rejected
from bot.model.promotion import PromotionState
from bot.model.repository import Repository
from tests.contract.github_harness import FILES, GitHubHarness
from tests.unit.github.promotions import RUNNING

CONFIGURATION = ".greenroom.yml"


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        for login in ("ben", "eve"):
            server.accounts.create_user(login)
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {"price.txt": "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


async def test_head_and_last_change_of_a_file(harness: GitHubHarness) -> None:
    shop, push = harness.repository, harness.github.repositories.push
    changed = push("acme/shop", "main", {CONFIGURATION: "version: 2\n"}, by="ben")
    newest = push("acme/shop", "main", {"NOTES.md": "1\n"}, by="eve")
    head, last = (
        await harness.app.commits.head(shop),
        await harness.app.commits.last_change(shop, CONFIGURATION),
    )
    assert head is not None
    assert last is not None
    assert (head.sha, head.by, head.authors) == (newest, "eve", Authors(("eve",)))
    assert (last.sha, last.by) == (changed, "ben")
    assert await harness.app.commits.last_change(shop, "nowhere") is None
    assert await harness.app.commits.commit(shop, changed) == last


async def test_authors_include_the_pusher_and_name_the_unknown(harness: GitHubHarness) -> None:
    shop, pulls = harness.repository, harness.app.pull_requests
    assert await pulls.authors(shop, 1) == Authors(("ben",))
    world, push = harness.github.world, harness.github.repositories.push
    push("acme/shop", "price", {"price.txt": "3\n"}, by="eve", author=world.signature("ben"))
    assert await pulls.authors(shop, 1) == Authors(("ben", "eve"))
    unknown_author = replace(world.signature("eve"), email="eve@home.example.com", login=None)
    head = push("acme/shop", "price", {"price.txt": "4\n"}, by="ben", author=unknown_author)
    roles = (UnknownRole.AUTHOR, UnknownRole.COMMITTER)
    unknown = tuple(UnknownAuthor(head, role) for role in roles)
    assert await pulls.authors(shop, 1) == Authors(("ben", "eve"), unknown)


async def test_commits_behind_another_one_are_counted(harness: GitHubHarness) -> None:
    shop, commits = harness.repository, harness.app.commits
    push = harness.github.repositories.push
    branch = harness.github.pulls.get("acme/shop", 1).head_sha
    assert await commits.behind(shop, branch, branch) == 0
    for number in range(3):
        newest = push("acme/shop", "main", {"NOTES.md": f"{number}\n"}, by="ben")
    assert await commits.behind(shop, branch, newest) == 3
    assert await commits.behind(shop, newest, branch) == 1


async def test_authors_of_a_direct_push_include_the_pusher(harness: GitHubHarness) -> None:
    shop, world = harness.repository, harness.github.world
    push = harness.github.repositories.push
    first = push("acme/shop", "main", {"NOTES.md": "1\n"}, by="eve", author=world.signature("ben"))
    assert await harness.app.commits.authors(shop, first) == Authors(("ben", "eve"))


async def test_reading_the_head_refreshes_the_configuration(harness: GitHubHarness) -> None:
    shop = harness.repository
    assert await harness.app.contents.default_branch_file(shop, CONFIGURATION) == "version: 1\n"
    harness.github.repositories.push("acme/shop", "main", {CONFIGURATION: "version: 2\n"}, by="ben")
    await harness.app.commits.head(shop)
    assert await harness.app.contents.default_branch_file(shop, CONFIGURATION) == "version: 2\n"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_merged_pull_request_of_a_commit(harness: GitHubHarness, method: str) -> None:
    shop = harness.repository
    pushed = harness.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    head = (await harness.pull()).head_sha
    assert await harness.app.commits.merged_by(shop, pushed) is None
    assert await harness.app.commits.merged_by(shop, head) is None  # not merged yet
    merge = harness.github.pulls.merge("acme/shop", 1, by="ben", method=method)  # type: ignore[arg-type]  # one of the three
    assert await harness.app.commits.merged_by(shop, merge) == 1
    assert await harness.app.commits.merged_by(shop, pushed) is None
    for commit, numbers in ((head, [1]), (merge, [1]), (pushed, [])):
        pulls = await harness.app.commits.pull_requests(shop, commit)
        assert [pull.number for pull in pulls] == numbers
    [pull] = await harness.app.commits.pull_requests(shop, merge)
    assert (pull.merged, pull.merge_commit, pull.head_sha, pull.from_fork) == (True, merge, head, False)
    assert (pull.base_ref, pull.default_branch, pull.author) == ("main", "main", "ben")


async def test_pull_requests_of_commits_that_are_not_merged(harness: GitHubHarness) -> None:
    github, shop = harness.github, harness.repository
    github.repositories.fork("acme/shop", by="eve")
    first = github.repositories.push("eve/shop", "main", {"one.txt": "1\n"}, by="eve")
    theirs = github.repositories.push("eve/shop", "main", {"two.txt": "2\n"}, by="eve")
    number = github.pulls.open("acme/shop", "eve:main", by="eve").number
    for commit in (first, theirs):
        [pull] = await harness.app.commits.pull_requests(shop, commit)
        assert (pull.number, pull.merged, pull.from_fork) == (number, False, True)
    github.pulls.close("acme/shop", number, by="eve")
    assert await harness.app.commits.pull_requests(shop, first) == []
    github.pulls.reopen("acme/shop", number, by="eve")
    github.pulls.merge("acme/shop", number, by="ben", method="merge")
    later = github.repositories.push("acme/shop", "main", {"later.txt": "1\n"}, by="ben")
    [pull] = await harness.app.commits.pull_requests(shop, first)
    assert (pull.number, pull.merged, pull.from_fork) == (number, True, True)
    assert await harness.app.commits.pull_requests(shop, later) == []


@pytest.mark.parametrize("message", [None, "The first"])
async def test_tag_resolves_to_its_commit(harness: GitHubHarness, message: str | None) -> None:
    shop = harness.repository
    first = harness.github.repositories.tag("acme/shop", "release/v1", by="ben", message=message)
    assert await harness.app.commits.tag(shop, "release/v1") == first
    assert await harness.app.commits.tag(shop, "main") is None
    newer = harness.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    harness.github.repositories.tag("acme/shop", "release/v1", by="ben", message=message)
    assert await harness.app.commits.tag(shop, "release/v1") == newer
    unseen = Repository(1, shop.installation_id, "acme", "unseen")
    with pytest.raises(Rejected, match="cannot see acme/unseen"):
        await harness.app.commits.tag(unseen, "v1")


async def test_only_merged_commits_are_in_the_default_branch(harness: GitHubHarness) -> None:
    shop = harness.repository
    old = harness.github.repositories.push("acme/shop", "main", {"NOTES.md": "1\n"}, by="ben")
    new = harness.github.repositories.push("acme/shop", "main", {"NOTES.md": "2\n"}, by="ben")
    assert await harness.app.commits.in_default_branch(shop, old)
    assert await harness.app.commits.in_default_branch(shop, new)
    assert not await harness.app.commits.in_default_branch(shop, (await harness.pull()).head_sha)
    assert not await harness.app.commits.in_default_branch(shop, "f" * 40)


async def test_commits_of_a_fork_are_not_in_the_default_branch(harness: GitHubHarness) -> None:
    """GitHub shows the commits of forks under the name of the repository that they come from."""
    harness.github.repositories.fork("acme/shop", by="eve")
    theirs = harness.github.repositories.push("eve/shop", "main", {"evil.txt": "1\n"}, by="eve")
    assert (await harness.app.commits.commit(harness.repository, theirs)).sha == theirs
    assert not await harness.app.commits.in_default_branch(harness.repository, theirs)


async def test_promotion_without_pull_request_reports_a_deployment(harness: GitHubHarness) -> None:
    release = RUNNING.release
    assert release is not None
    head = await harness.app.commits.head(harness.repository)
    assert head is not None
    promotion = replace(
        RUNNING, repository=harness.repository, number=None, release=replace(release, commit=head.sha)
    )
    for state in (PromotionState.DEPLOYING, PromotionState.SUCCEEDED, PromotionState.SUCCEEDED):
        reported = replace(promotion, state=state)
        await harness.app.reporter.report_promotion(
            reported, None, harness.receipt, harness.fence, harness.save
        )
    [deployment] = harness.github.deployments.of("acme/shop")
    assert (deployment.environment, deployment.sha, deployment.state) == ("production", head.sha, "success")
    assert harness.comments == []
