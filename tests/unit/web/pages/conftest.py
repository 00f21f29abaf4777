"""The pages over a real store, with a fake GitHub for identities and permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from bot.model.delivery import PullRequestHint
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Decision, Environment, EnvironmentKey, Status
from bot.model.errors import Rejected, Unavailable
from bot.model.person import Person
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.role import Role
from bot.promotions.view_reader import StageViewReader
from bot.store import Store
from bot.web.application import create_application
from bot.web.pages.access import Access
from bot.web.pages.actions.pages import ActionPages, ActionPorts
from bot.web.pages.changes import ChangeFeed, ChangePages
from bot.web.pages.dashboard import DashboardPage
from bot.web.pages.environments import EnvironmentPages, PagePorts
from bot.web.pages.routes import page_routes
from bot.web.pages.session import Sessions
from bot.web.pages.sign_in import SignInPages
from bot.web.pages.site import Site
from bot.web.pages.stages import StagePages
from tests.stores import ManualClock, new_store
from tests.unit.environments.test_desired_state import PULL

URL = "https://greenroom.example.com"
GITHUB = "https://github.example.com"
ADA, EVE = Person(1, "ada"), Person(2, "eve")
SHOP = PULL.repository


@dataclass
class FakeGitHub:
    """`codes` belong to users who authorized the App; `readers` are logins by repository id."""

    readers: dict[int, set[str]] = field(default_factory=dict)
    codes: dict[str, Person] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    """Roles of readers, by login; `write` without an entry."""
    pulls: dict[int, PullRequest] = field(default_factory=lambda: {PULL.number: PULL})
    teams: dict[str, set[str]] = field(default_factory=dict)
    away: bool = False
    configuration: str | None = None

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        if self.away:
            raise Unavailable("GitHub is away.")
        return self.configuration

    async def role_of(self, repository: Repository, person: Person) -> Role:
        self.asked.append(f"{repository.full_name} {person.login}")
        if self.away:
            raise Unavailable("GitHub is away.")
        readable = person.login in self.readers.get(repository.id, set())
        return self.roles.get(person.login, Role.WRITE) if readable else Role.NONE

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        return self.pulls.get(number)

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        if self.away:
            raise Unavailable("GitHub is away.")
        return login in self.teams.get(team, set())

    def address(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        query = urlencode({"state": state, "code_challenge": challenge, "redirect_uri": redirect_uri})
        return f"{GITHUB}/login/oauth/authorize?{query}"

    async def person(self, *, code: str, verifier: str, redirect_uri: str) -> Person:
        try:
            return self.codes.pop(code)
        except KeyError:
            raise Rejected("GitHub did not accept the sign-in: the code is incorrect or expired.") from None


class FakeDiagnostics:
    """The same diagnostics for every namespace."""

    def __init__(self) -> None:
        self.result = NamespaceDiagnostics()

    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics:
        return self.result


class Browser(httpx.AsyncClient):
    async def begin(self, next_path: str = "/") -> str:
        """Starts a sign-in; returns the state sent to GitHub."""
        sent = await self.post("/sign-in", params={"next": next_path})
        assert sent.status_code == 303
        return parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]

    async def follow_callback(self, **query: str) -> httpx.Response:
        return await self.get("/sign-in/callback", params=query)


class WebFixture:
    """The bot's pages with store, sessions and fakes."""

    def __init__(self, store: Store, clock: ManualClock, public_url: str = URL) -> None:
        self.store = store
        self.clock = clock
        self.github = FakeGitHub()
        self.diagnostics = FakeDiagnostics()
        self.access_time = 0.0
        site = Site(public_url, GITHUB, clock)
        self.sessions = sessions = Sessions("a client secret", public_url, clock)
        access = Access(self.github, lambda: self.access_time)
        ports = PagePorts(
            store.environments,
            store.journal,
            store.queue,
            store.usages,
            store.commands,
            lambda cluster: self.diagnostics,
            store.attempts,
        )
        pages = EnvironmentPages(site, sessions, access, ports, clock)
        views = StageViewReader(
            store.promotions,
            store.environments,
            store.releases,
            store.audit,
            self.github,  # type: ignore[arg-type]  # reads one file only
            store.drifts,
            clock,
        )
        stages = StagePages(site, sessions, access, store.promotions, views, store.commands, clock)
        action_ports = ActionPorts(store.commands, store.environments, self.github, views, store.promotions)
        actions = ActionPages(site, sessions, access, action_ports, clock)
        dashboard = DashboardPage(site, sessions, access, store.environments, store.dashboard, clock)
        self.feed = ChangeFeed(store.changes, 0.01)
        changes = ChangePages(sessions, access, store.environments, self.feed)
        sign_in = SignInPages(site, self.github, sessions)
        self.pages = page_routes(sign_in, dashboard, changes, pages, stages, actions)
        self.web = create_application(self.pages, site.http_error)
        parts = urlsplit(public_url)
        self._url = f"{parts.scheme}://{parts.netloc}"  # a reverse proxy strips the path

    def browser(self) -> Browser:
        return Browser(transport=httpx.ASGITransport(self.web), base_url=self._url)

    async def signed_in(self, person: Person) -> Browser:
        browser = self.browser()
        state = await browser.begin()
        self.github.codes["code"] = person
        assert (await browser.follow_callback(code="code", state=state)).status_code == 303
        return browser

    async def environment(
        self,
        status: Status,
        *decided: tuple[str, str],
        pull: PullRequest = PULL,
        failure: NamespaceDiagnostics | None = None,
    ) -> Environment:
        """Stores an environment as a worker does, with decisions."""
        await self.store.deliveries.apply_hints(
            [PullRequestHint(pull.repository, pull.number, pull.head_sha, open=True)]
        )
        [claim] = await self.store.queue.claim("test", 1, 60)
        key = EnvironmentKey.preview(pull.repository.id, pull.number)
        environment = await self.store.environments.get(key)
        assert environment is not None
        changed = replace(
            environment,
            status=status,
            attempt=replace(environment.attempt, pull_request=pull),
            observed_generation=1,
        )
        decisions = [Decision(key, self.clock(), action, reason) for action, reason in decided]
        await self.store.environments.save(claim, changed, decisions=decisions, failure=failure)
        await self.store.queue.finish(claim)
        return changed


@pytest.fixture
async def web(tmp_path: Path, clock: ManualClock) -> AsyncIterator[WebFixture]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield WebFixture(store, clock)
    await store.close()
