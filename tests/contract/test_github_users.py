"""Sign-in and read access of users, at a GitHub that answers over HTTP."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.embedded.github import GitHubServer
from bot.github.resources.sign_in import SignIn, web_url
from bot.model.errors import Rejected
from bot.model.person import Person
from bot.model.role import Role
from bot.promotions.provenance import is_of_present_base
from tests.contract.github_harness import FILES, GitHubHarness

BACK = "https://greenroom.example.com/sign-in/callback"
VERIFIER = "v" * 64


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        for login in ("ben", "eve"):
            server.accounts.create_user(login)
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "read")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


def sign_in(harness: GitHubHarness) -> SignIn:
    credentials = harness.github.credentials
    return harness.app.sign_in(credentials.client_id, credentials.client_secret)


async def code_for(harness: GitHubHarness, login: str) -> str:
    """The code that GitHub issues to a user who consents."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    address = sign_in(harness).address(state="s", challenge=challenge, redirect_uri=BACK)
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(address)).status_code == 200
        agreed = await browser.post(address.partition("?")[0], data={**fields, "login": login})
    answer = parse_qs(urlsplit(agreed.headers["location"]).query)
    assert answer["state"] == ["s"]
    return answer["code"][0]


async def test_sign_in_returns_id_and_login(harness: GitHubHarness) -> None:
    code = await code_for(harness, "ben")
    person = await sign_in(harness).person(code=code, verifier=VERIFIER, redirect_uri=BACK)
    assert person == Person(harness.github.world.account("ben").id, "ben")
    with pytest.raises(Rejected, match="incorrect or expired"):
        await sign_in(harness).person(code=code, verifier=VERIFIER, redirect_uri=BACK)


async def test_code_of_another_browser_is_rejected(harness: GitHubHarness) -> None:
    code = await code_for(harness, "ben")
    with pytest.raises(Rejected):
        await sign_in(harness).person(code=code, verifier="w" * 64, redirect_uri=BACK)


async def test_error_does_not_contain_the_wrong_secret(harness: GitHubHarness) -> None:
    code = await code_for(harness, "ben")
    wrong = harness.app.sign_in(harness.github.credentials.client_id, "hunter2-hunter2")
    with pytest.raises(Rejected) as caught:
        await wrong.person(code=code, verifier=VERIFIER, redirect_uri=BACK)
    assert "client_secret" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_role_of_a_user_follows_roles_and_visibility(harness: GitHubHarness) -> None:
    github = harness.github
    ben, eve = (Person(github.world.account(login).id, login) for login in ("ben", "eve"))
    assert await harness.app.collaborators.role_of(harness.repository, ben) is not Role.NONE
    github.world.repository("acme/shop").private = True
    assert await harness.app.collaborators.role_of(harness.repository, ben) is not Role.NONE
    assert await harness.app.collaborators.role_of(harness.repository, eve) is Role.NONE
    github.world.repository("acme/shop").private = False
    assert await harness.app.collaborators.role_of(harness.repository, eve) is not Role.NONE


async def test_reused_login_has_no_access(harness: GitHubHarness) -> None:
    assert await harness.app.collaborators.role_of(harness.repository, Person(4711, "ben")) is Role.NONE


async def test_reused_repository_name_gives_no_access(harness: GitHubHarness) -> None:
    ben = Person(harness.github.world.account("ben").id, "ben")
    another = replace(harness.repository, id=4711)
    assert await harness.app.collaborators.role_of(another, ben) is Role.NONE
    assert await harness.app.collaborators.role(harness.repository, "ben") is Role.READ
    assert await harness.app.collaborators.role(another, "ben") is Role.NONE


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://github.acme.example/api/v3", "https://github.acme.example"),
        ("https://acme.example/github/api/v3/", "https://acme.example/github"),
        ("https://api.acme.example/api/v3", "https://api.acme.example"),
    ],
)
def test_web_url_of_an_api_url(api: str, web: str) -> None:
    assert web_url(api) == web


async def test_approval_requires_write_access(harness: GitHubHarness) -> None:
    github = harness.github
    github.accounts.create_user("ada")
    for login in ("ada", "eve"):
        github.repositories.set_role("acme/shop", login, "write")
    github.repositories.push("acme/shop", "spring", {**FILES, "spring.txt": "spring"}, by="ada")
    number = github.pulls.open("acme/shop", "spring", by="ada", title="Spring").number
    for login in ("ben", "eve"):
        github.pulls.review("acme/shop", number, by=login)
    reviews = await harness.app.pull_requests.reviews(harness.repository, number)
    assert {review.by: review.approved for review in reviews} == {"ben": False, "eve": True}
    github.repositories.set_role("acme/shop", "eve", "none")
    assert not any(
        review.approved for review in await harness.app.pull_requests.reviews(harness.repository, number)
    )


async def test_approval_of_a_bot_does_not_count(harness: GitHubHarness) -> None:
    """A workflow that the pull request changes can approve it, with the token of the workflow's run."""
    github, bot = harness.github, "github-actions[bot]"
    github.accounts.create_user("ada")
    for login in ("ada", bot):
        github.repositories.set_role("acme/shop", login, "write")
    github.repositories.push("acme/shop", "spring", {**FILES, "spring.txt": "spring"}, by="ada")
    number = github.pulls.open("acme/shop", "spring", by="ada").number
    github.pulls.review("acme/shop", number, by=bot)
    assert not await harness.app.pull_requests.reviews(harness.repository, number)


@pytest.mark.parametrize("change", ["edit", "merge", "force-push"])
async def test_approval_is_for_the_base_that_the_reviewer_saw(harness: GitHubHarness, change: str) -> None:
    github, repositories, pulls = harness.github, harness.github.repositories, harness.github.pulls
    for login in ("ada", "fay"):
        github.accounts.create_user(login)
    for login in ("ada", "eve", "fay"):
        repositories.set_role("acme/shop", login, "write")
    before = repositories.push("acme/shop", "next", {"next.txt": "next"}, by="ada")
    repositories.push("acme/shop", "next", {"more.txt": "more"}, by="ada")
    repositories.push("acme/shop", "spring", {**FILES, "spring.txt": "spring"}, by="ada")
    number = pulls.open("acme/shop", "spring", by="ada", base="next").number
    pulls.review("acme/shop", number, by="eve")
    assert await _current(harness, number) == {"eve"}

    match change:
        case "edit":
            pulls.edit("acme/shop", number, by="ada", base="main")
        case "merge":
            base = pulls.open("acme/shop", "next", by="ada").number
            pulls.merge("acme/shop", base, by="ada", delete_branch=True)
            assert pulls.get("acme/shop", number).base_ref == "main"
        case "force-push":
            repositories.reset_branch("acme/shop", "next", before, by="ada")
    assert await _current(harness, number) == set()

    github.world.clock = lambda: datetime.now(UTC) + timedelta(seconds=2)
    for login in ("fay", "eve"):
        pulls.review("acme/shop", number, by=login)
    assert await _current(harness, number) == {"eve", "fay"}


async def _current(harness: GitHubHarness, number: int) -> set[str]:
    reviews = await harness.app.pull_requests.reviews(harness.repository, number)
    return {review.by for review in reviews if review.approved and is_of_present_base(review)}
