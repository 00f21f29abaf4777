"""A day of sweeps while GitHub is unavailable, lists nothing or rejects requests: nothing is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.embedded.github import GitHubServer
from bot.embedded.github.faults import FaultKind
from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.github.messages.environment_reasons import describe
from bot.model.delivery import PullRequestHint
from bot.store import Store
from bot.sweeps.expiry import sweep_expired
from bot.sweeps.orphans import OrphanPorts, sweep_orphans
from bot.sweeps.removed_repositories import sweep_removed_repositories
from bot.sweeps.resync import Resync, ResyncPorts
from tests.contract.github_harness import GitHubHarness
from tests.stores import ManualClock, new_store
from tests.unit.environments import fakes
from tests.unit.environments.simulation import FakeMetrics, SimulatedCluster, handlers, work_off

FILES = {".greenroom.yml": fakes.CONFIGURATION, "deploy/web.yaml": "kind: Deployment\n"}
PREVIEWS = 3
LIMIT = 100  # the breaker shall not be what saves them


class Day:
    """The GitHub client, reconciler, store and sweeps of the bot; the cluster is in memory."""

    def __init__(self, harness: GitHubHarness, store: Store, clock: ManualClock) -> None:
        self.harness, self.store, self.clock = harness, store, clock
        self.cluster = SimulatedCluster()
        app = harness.app
        ports = Ports(
            environments=store.environments,
            pull_requests=app.pull_requests,
            contents=app.contents,
            checks=app.checks,
            collaborators=app.collaborators,
            installations=app.installations,
            deployments=app.deployments,
            reporter=app.reporter,
            registry=fakes.FakeRegistry(),
            renderer=self.cluster,
            namespaces=self.cluster,
            workloads=self.cluster,
            data=self.cluster,
            health=self.cluster,
            services=self.cluster,
            gateway=fakes.FakeGateway(),
            secrets={},
            clock=clock,
            describe=describe,
        )
        reconciler = EnvironmentHandler(ports, Policy(default_ttl=timedelta(days=3)))
        self.handlers = handlers(reconciler, store, self.cluster, clock, FakeMetrics())

    async def look(self) -> None:
        """Apply hints that every pull request changed."""
        numbers = range(1, PREVIEWS + 1)
        hints = [PullRequestHint(self.harness.repository, number, None, open=None) for number in numbers]
        await self.store.deliveries.apply_hints(hints)

    async def open_all(self) -> None:
        await self.look()
        await work_off(self.store, self.clock, self.handlers)

    async def pass_by(self) -> None:
        app, store = self.harness.app, self.store
        ports = OrphanPorts(
            {"default": self.cluster}, fakes.nothing_newer, store.environments, store.deliveries, store.queue
        )
        resync = Resync(
            ResyncPorts(
                app.installations,
                app.pull_requests,
                app.contents,
                app.deployments,
                store.environments,
                store.deliveries,
                store.queue,
            ),
            timedelta(seconds=1),
            LIMIT,
            FakeMetrics(),
        )
        handlers = {
            **self.handlers,
            "installation": resync.one_installation,
            "resync": resync.one_repository,
        }
        for _ in range(24):
            self.clock.advance(3600)
            await work_off(
                store,
                self.clock,
                handlers,
                self.look,
                resync.all_installations,
                lambda: sweep_expired(store.environments, store.queue, self.clock(), LIMIT, FakeMetrics()),
                lambda: sweep_orphans(ports, LIMIT, FakeMetrics()),
                lambda: sweep_removed_repositories(
                    store.environments, store.deliveries, self.clock(), LIMIT, FakeMetrics()
                ),
            )


@pytest.fixture
async def day(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Day]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        for number in range(1, PREVIEWS + 1):
            server.repositories.push("acme/shop", f"b{number}", {"n.txt": f"{number}\n"}, by="ben")
            server.pulls.open("acme/shop", f"b{number}", by="ben")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        store = await new_store(tmp_path / "greenroom.db", clock)
        day = Day(harness, store, clock)
        await day.open_all()
        assert len(day.cluster.namespaces) == PREVIEWS
        yield day
        await harness.app.close()
        await store.close()


def fault(kind: FaultKind, status: int = 502) -> Callable[[GitHubServer], object]:
    return lambda github: github.faults.add(kind, status=status)


def uninstall(github: GitHubServer) -> None:
    """The delivery of the event is lost."""
    [installation] = github.world.state.installations
    github.apps.uninstall(installation, by="ben")


def suspend(github: GitHubServer) -> None:
    [installation] = github.world.state.installations
    github.apps.suspend(installation, by="ben")


@pytest.mark.parametrize(
    "go_wrong",
    [
        pytest.param(fault("outage"), id="outage", marks=pytest.mark.long),
        pytest.param(fault("error", 502), id="502", marks=pytest.mark.long),
        pytest.param(fault("error", 401), id="401", marks=pytest.mark.long),
        pytest.param(fault("error", 404), id="404"),
        pytest.param(fault("error", 403), id="403", marks=pytest.mark.long),
        pytest.param(fault("empty_lists"), id="empty lists"),
        pytest.param(uninstall, id="uninstalled unheard", marks=pytest.mark.long),
        pytest.param(suspend, id="suspended", marks=pytest.mark.long),
    ],
)
async def test_sweeps_delete_nothing_during_an_outage(
    day: Day, go_wrong: Callable[[GitHubServer], object]
) -> None:
    go_wrong(day.harness.github)
    await day.pass_by()
    assert len(day.cluster.namespaces) == PREVIEWS
