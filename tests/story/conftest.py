"""GitHub, registry, cluster and bot for all scenarios; each scenario has its own organisation."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import httpx
import pytest

from bot.cluster.client.kinds import NAMESPACE
from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.github.errors import GitHubError
from bot.embedded.github.state.results import Deployment
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import DOMAIN, NodeCluster, World
from bot.model.environment import EnvironmentKey
from bot.model.naming import host_label, namespace_name
from bot.model.repository import Repository
from tests.kubernetes import tools
from tests.story.hello import hello_files

PATIENCE_SECONDS = 90

CANARY = "sk_canary_of_the_environment"
"""A secret in the bot's environment, granted to the organisation canary."""
VAULT = "canary-vault"
"""The namespace of the operator's secrets."""

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """All processes. `world.kubernetes` is None on a real control plane."""

    world: World
    bot: BotProcess
    database: Path
    settings: Mapping[str, str]
    """The bot's settings."""


class Scenario:
    """Actions of users in one repository, and what GitHub shows them."""

    def __init__(self, site: Site, repository: str) -> None:
        self.site = site
        self.world = site.world
        self.github = site.world.github
        self.bot = site.bot
        self.repository = repository

    @property
    def organization(self) -> str:
        return self.repository.partition("/")[0]

    def files(self, look: str = "spring") -> dict[str, bytes]:
        """The sample shop: data, a seed, workloads, a route and two checks."""
        return self.ours(restyle(shop_files(self.world.registry_host), LOOKS[look]))

    def ours(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files of a sample with this repository's image."""
        registry = self.world.registry_host
        ours = f"{registry}/{self.repository.lower()}".encode()
        return {path: text.replace(f"{registry}/acme/shop".encode(), ours) for path, text in files.items()}

    def hello(self, sentence: str = "Hello.") -> dict[str, bytes]:
        """One pod, no data, no checks."""
        return hello_files(self.world.registry_host, self.repository, sentence)

    async def create(self, files: dict[str, bytes]) -> None:
        await asyncio.to_thread(self.github.repositories.create, self.repository, files)

    async def push(self, branch: str, files: dict[str, bytes]) -> str:
        return await asyncio.to_thread(
            self.github.repositories.push, self.repository, branch, files, by="ada"
        )

    async def open(self, branch: str, files: dict[str, bytes]) -> int:
        await self.push(branch, files)
        pull = await asyncio.to_thread(
            self.github.pulls.open, self.repository, branch, by="ada", title=f"About {branch}"
        )
        return int(pull.number)

    async def fork(self, files: Mapping[str, bytes], branch: str = "mine") -> int:
        """Opens a pull request from a branch of mallory's fork, which is created if needed."""

        def fork() -> int:
            with contextlib.suppress(GitHubError):  # the fork of an earlier branch
                self.github.repositories.fork(self.repository, by="mallory", name=self.fork_name)
            self.github.repositories.push(f"mallory/{self.fork_name}", branch, files, by="mallory")
            return int(self.github.pulls.open(self.repository, f"mallory:{branch}", by="mallory").number)

        return await asyncio.to_thread(fork)

    @property
    def fork_name(self) -> str:
        """The name of mallory's fork of this repository."""
        return f"{self.organization}-by-mallory"

    async def close(self, number: int) -> None:
        await asyncio.to_thread(self.github.pulls.close, self.repository, number, by="ada")

    async def reopen(self, number: int) -> None:
        await asyncio.to_thread(self.github.pulls.reopen, self.repository, number, by="ada")

    async def delivered(self) -> None:
        """Waits until the bot has acknowledged every webhook."""
        await asyncio.to_thread(self.github.deliveries.wait_idle, PATIENCE_SECONDS)

    async def comment(self, number: int, words: str, by: str = "ada") -> None:
        await asyncio.to_thread(self.github.comments.create, self.repository, number, words, by=by)

    def head(self, number: int) -> str:
        return str(self.github.pulls.get(self.repository, number).head_sha)

    def comments(self, number: int) -> list[str]:
        return [comment.body for comment in self.github.comments.on(self.repository, number)]

    async def comment_with(self, number: int, *words: str) -> str:
        """Waits for the bot's comment that contains all of these words."""

        def matching() -> str | None:
            return next((body for body in self.comments(number) if all(w in body for w in words)), None)

        return await eventually(matching, lambda: f"no comment with {words} in {self.comments(number)}")

    async def wait_until_ready(self, number: int) -> str:
        """Waits for the comment that shows the head as ready."""
        return await self.comment_with(number, "is ready", self.head(number)[:7])

    def deployments(self) -> list[Deployment]:
        return list(self.github.deployments.of(self.repository))

    def runs(self, sha: str | None = None) -> list[str]:
        """The environment's own check runs: conclusion, or status before it."""
        runs = self.github.checks.runs(self.repository, sha, name="greenroom/preview")
        return [run.conclusion or run.status for run in runs]

    def assert_reported_once(self, number: int) -> None:
        """Checks for one comment, and per commit at most one check run of a name and one Deployment."""
        assert len(self.comments(number)) == 1
        names = [(run.head_sha, run.name) for run in self.github.checks.runs(self.repository)]
        assert len(names) == len(set(names)), "a check run twice"
        commits = [deployment.sha for deployment in self.deployments()]
        assert len(commits) == len(set(commits)), "a Deployment twice"

    async def page(
        self, number: int, domain: str = DOMAIN, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The preview's page, through the gateway."""
        key, repository = self._names(number)
        async with httpx.AsyncClient(trust_env=False) as client:
            host = {"Host": f"{host_label(key, repository)}.{domain}:{self.world.gateway_port}"}
            sent = {**host, **(headers or {})}
            return await client.get(f"http://{self.world.gateway_address}/", headers=sent)

    async def no_page(self, number: int) -> None:
        """Waits until the gateway has no route: a real one follows the cluster within seconds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := await self._status_of_page(number)) != 404:
            assert time.monotonic() < deadline, f"the gateway responds with {status}"
            await asyncio.sleep(0.1)

    async def _status_of_page(self, number: int) -> int | None:
        """None when the request hangs: the pods ended before the route."""
        try:
            return (await self.page(number)).status_code
        except httpx.TimeoutException:
            return None

    def namespace(self, number: int) -> str:
        return namespace_name(*self._names(number))

    async def namespaces(self) -> list[str]:
        """The namespaces of this repository's previews."""
        listed = await self.world.client.list(NAMESPACE, labels="app.kubernetes.io/managed-by=greenroom")
        labels = {item["metadata"]["name"]: item["metadata"]["labels"] for item in listed.items}
        ours = f".{self._names(0)[1].id}."
        return [name for name, label in labels.items() if ours in label.get("greenroom.dev/environment", "")]

    async def no_preview(self, number: int) -> None:
        """Waits until the namespace of the preview no longer exists; stages stay."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.namespace(number) in (left := await self.namespaces()):
            assert time.monotonic() < deadline, f"still there: {left}"
            await asyncio.sleep(0.1)

    async def no_namespace(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := await self.namespaces():
            assert time.monotonic() < deadline, f"still there: {left}"
            await asyncio.sleep(0.1)

    async def at_rest(self) -> None:
        """Waits until no environment of this repository has queued work; others can have some for ever."""
        keys = f"environment:%/{self._names(0)[1].id}/%"

        def left() -> list[tuple[object, ...]]:
            with contextlib.closing(sqlite3.connect(f"file:{self.site.database}?mode=ro", uri=True)) as store:
                query = "SELECT key, running, not_before, attempts, error FROM work WHERE key LIKE ?"
                return store.execute(query, (keys,)).fetchall()

        await eventually(lambda: not left() or None, lambda: f"the bot has still work: {left()}")

    async def end(self) -> None:
        """Closes open pull requests, so that they do not slow down the next scenario."""
        for pull in self.github.pulls.of(self.repository):
            if pull.state == "open":
                await self.close(pull.number)

    def _names(self, number: int) -> tuple[EnvironmentKey, Repository]:
        id = self.github.world.repository(self.repository).id
        owner, _, name = self.repository.partition("/")
        return EnvironmentKey.preview(id, number), Repository(id, 0, owner, name)


async def eventually(read: Callable[[], T | None], otherwise: Callable[[], str], pause: float = 0.05) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (value := read()) is None:
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(pause)
    return value


embedded_only = pytest.mark.parametrize("site", ["embedded"], indirect=True)
"""For scenarios about GitHub and the store, and for faults, which only the embedded servers have."""
real_only = pytest.mark.parametrize("site", [pytest.param("real", marks=pytest.mark.cluster)], indirect=True)
"""For scenarios about the cluster's own behaviour, which a real control plane proves."""
secrets_only = pytest.mark.parametrize(
    "site",
    [pytest.param("secrets", marks=[pytest.mark.secrets, pytest.mark.timeout(300)], id="real")],
    indirect=True,
)
"""For scenarios with Vault, External Secrets or sealed-secrets on a real control plane."""
_NODE = pytest.param("node", marks=[pytest.mark.node, pytest.mark.timeout(300)])
also_on_node = pytest.mark.parametrize(
    "site", ["embedded", pytest.param("real", marks=pytest.mark.cluster), _NODE], indirect=True
)
"""For scenarios that containers, kubelet, kube-proxy or a real gateway can change."""
with_prometheus = pytest.mark.parametrize(
    "site",
    [
        pytest.param("embedded", marks=pytest.mark.tools),
        pytest.param("real", marks=pytest.mark.cluster),
        _NODE,
    ],
    indirect=True,
)
"""For scenarios with a Prometheus from Debian's package."""
real_and_node = pytest.mark.parametrize(
    "site", [pytest.param("real", marks=pytest.mark.cluster), _NODE], indirect=True
)
"""For scenarios about the cluster's own behaviour that a real network or containers can change."""
node_only = pytest.mark.parametrize("site", [_NODE], indirect=True)
"""For scenarios that only real containers and a real network show."""


def _cluster(request: pytest.FixtureRequest) -> Path | NodeCluster | None:
    match request.param:
        case "real":
            return Path(request.getfixturevalue("real_kubeconfig"))
        case "secrets":
            return Path(request.getfixturevalue("secrets_kubeconfig"))
        case "node":
            return cast(NodeCluster, request.getfixturevalue("node_cluster"))
        case _:
            return None


@pytest.fixture(scope="package", params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    async with World(folder / "world", _cluster(request)) as world:
        port = free_port()
        await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
        database = folder / "bot.db"
        settings = dict(world.settings(f"http://127.0.0.1:{port}", database))
        settings |= {
            "GREENROOM_SECRET_CANARY": CANARY,
            "GREENROOM_SECRET_CANARY_REPOSITORIES": "canary/*",
            "GREENROOM_SECRETS_NAMESPACES": VAULT,
        }
        settings["PATH"] = f"{tools.folder()}{os.pathsep}{settings['PATH']}"
        async with BotProcess(port, settings, folder / "bot.log") as bot:
            yield Site(world, bot, database, settings)


def _populate(world: World, webhook: str) -> None:
    # Worlds of one run share a control plane, and namespaces have the names of repositories' ids.
    world.github.world.state.counters["repository"] = 10**6 + secrets.randbelow(10**9)
    world.github.accounts.create_user("ada")
    world.github.accounts.create_user("mallory")
    world.github.apps.set_webhook(webhook)


@contextlib.asynccontextmanager
async def operated(site: Site, **settings: str) -> AsyncIterator[Site]:
    """The same site, with other settings of the bot."""
    await site.bot.stop()
    try:
        async with BotProcess(site.bot.port, {**site.settings, **settings}, site.bot.log) as bot:
            yield replace(site, bot=bot, settings=bot.settings)
    finally:  # other stories use the same bot
        await site.bot.start()


@pytest.fixture
async def scenario(site: Site) -> AsyncIterator[Scenario]:
    """A repository with the sample shop."""
    async with new_scenario(site) as scenario:
        await scenario.create(scenario.files())
        yield scenario


@pytest.fixture
async def small(site: Site) -> AsyncIterator[Scenario]:
    """A repository with one pod, for scenarios that are not about the application."""
    async with new_scenario(site) as scenario:
        await scenario.create(scenario.hello())
        yield scenario


@contextlib.asynccontextmanager
async def new_scenario(site: Site, name: str = "shop") -> AsyncIterator[Scenario]:
    """A scenario in a new organisation, with the App installed."""
    organization = f"acme{secrets.token_hex(3)}"
    await asyncio.to_thread(organize, site.world, organization)
    scenario = Scenario(site, f"{organization}/{name}")
    yield scenario
    await scenario.end()


def organize(world: World, organization: str) -> None:
    world.github.accounts.create_organization(organization, admins=("ada",))
    world.github.apps.install(organization, by="ada")
