"""Resync of many installations, some of which are rate limited, suspended or deleted.

The embedded GitHub has one repository with one open pull request for each installation. A worker runs the
sweep, the keys of installations and those of repositories, as in the bot.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from bot.embedded.github import GitHubServer
from bot.github.app import GitHubApp
from bot.model.environment import EnvironmentState
from bot.model.work import Claim, WorkKey
from bot.store import Store
from bot.sweeps.resync import Resync, ResyncPorts
from bot.sweeps.schedule import Sweeper
from bot.web.metrics import Metrics
from bot.worker import Handler, Worker
from tests.bench.figures import Figures, Goal

INSTALLATIONS = 500
UNUSABLE = 20
"""Number of each kind: rate limited, suspended, deleted."""
INTERVAL = timedelta(minutes=1)
"""A tenth of the default."""
_ROUNDS_PER_HOUR = 6
_CONFIGURATION = b"version: 1\nimages: {shop: ghcr.io/acme/shop}\nmanifests: {plain: deploy/}\n"


async def bench() -> Figures:
    usable = INSTALLATIONS - 3 * UNUSABLE
    figures = Figures(
        f"Resync of {INSTALLATIONS} installations: {UNUSABLE} rate limited, {UNUSABLE} suspended, "
        f"{UNUSABLE} deleted",
        ("", "first round", "second round"),
    )
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary, GitHubServer() as github:
        await asyncio.to_thread(_populate, github)
        store = await Store.open(f"sqlite:///{Path(temporary) / 'bot.db'}")
        await store.migrate()
        app = GitHubApp(
            api_url=github.api_url,
            app_id=github.credentials.app_id,
            private_key=github.credentials.private_key,
            public_url="https://greenroom.example.com",
        )
        worker = _worker(store, app)
        worker.start()
        rounds = [await _round(store, github, usable) for _ in range(2)]
        repositories = len(await store.environments.repositories(frozenset(EnvironmentState)))
        await worker.drain(10)
        await app.close()
        await store.close()
    for title, values in (
        ("seconds until the last repository was read", [f"{seconds:.1f}" for seconds, _ in rounds]),
        ("calls to GitHub", [str(calls.total()) for _, calls in rounds]),
        ("… without 304 responses, which are free", [str(_counted(calls)) for _, calls in rounds]),
        ("calls per hour at the default interval", [str(_counted(c) * _ROUNDS_PER_HOUR) for _, c in rounds]),
    ):
        figures.rows.append((title, *values))
    figures.goals.append(
        Goal("repositories whose pull request was found", repositories, usable, at_least=True)
    )
    slowest = max(seconds for seconds, _ in rounds)
    figures.goals.append(Goal("seconds of a round", slowest, INTERVAL.total_seconds()))
    calls = _counted(rounds[1][1]) * _ROUNDS_PER_HOUR / usable
    figures.goals.append(Goal("calls per hour and installation", calls, 60))
    return figures


def _counted(calls: Counter[int]) -> int:
    return calls.total() - calls[304]


def _worker(store: Store, app: GitHubApp) -> Worker:
    metrics = Metrics()
    ports = ResyncPorts(
        app.installations,
        app.pull_requests,
        app.contents,
        app.deployments,
        store.environments,
        store.deliveries,
        store.queue,
    )
    resync = Resync(ports, INTERVAL, 10, metrics)

    async def not_measured(_: Claim) -> datetime | None:
        return None

    handlers: dict[str, Handler] = {
        "environment": not_measured,
        "installation": resync.one_installation,
        "resync": resync.one_repository,
        "sweep": Sweeper({"resync": resync.all_installations}),
    }
    return Worker(store.queue, handlers, 8, metrics.worked)


async def _round(store: Store, github: GitHubServer, usable: int) -> tuple[float, Counter[int]]:
    """Seconds until every usable repository was read, and the calls by response status."""
    github.requests.clear()
    started = time.monotonic()
    await store.queue.enqueue([WorkKey("sweep", "resync")])
    await asyncio.sleep(1)
    await asyncio.to_thread(_lose_installations, github)
    deadline = started + 2 * INTERVAL.total_seconds()
    await _wait_for_repositories(github, usable, deadline)
    seconds = time.monotonic() - started
    await asyncio.sleep(2)  # the last repository's other calls
    return seconds, Counter(call.status for call in github.requests.calls())


async def _wait_for_repositories(github: GitHubServer, usable: int, deadline: float) -> None:
    while len(_read(github)) < usable:
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.2)


def _read(github: GitHubServer) -> set[str]:
    """The repositories of usable installations whose pull requests and Deployments were read."""
    return {
        call.path
        for call in github.requests.calls()
        if call.path.startswith("/repos/usable-") and call.path.endswith("/pulls") and call.status < 400
    }


def _populate(github: GitHubServer) -> None:
    github.accounts.create_user("ada")
    kinds = ["limited"] * UNUSABLE + ["suspended"] * UNUSABLE + ["deleted"] * UNUSABLE
    kinds += ["usable"] * (INSTALLATIONS - len(kinds))
    for number, kind in enumerate(kinds):
        owner = f"{kind}-{number}"
        github.accounts.create_organization(owner, admins=("ada",))
        github.repositories.create(f"{owner}/shop", {".greenroom.yml": _CONFIGURATION})
        github.repositories.push(f"{owner}/shop", "change", {"README.md": owner.encode()}, by="ada")
        github.pulls.open(f"{owner}/shop", "change", by="ada", title="A change")
        github.apps.install(owner, by="ada")
    github.faults.add("rate_limit", path="^/repos/limited-", seconds=3600.0)


def _lose_installations(github: GitHubServer) -> None:
    """After the sweep has listed them, so that their keys are in the queue."""
    for installation in list(github.world.state.installations.values()):
        if installation.account.startswith("suspended-"):
            github.apps.suspend(installation.id, by="ada")
        if installation.account.startswith("deleted-"):
            github.apps.uninstall(installation.id, by="ada")
