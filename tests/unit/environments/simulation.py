"""Simulates several pull requests with a fake GitHub that can fail and a real store."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments.handler import EnvironmentHandler as EnvironmentHandler
from bot.environments.orphaned_namespace import OrphanedNamespaces
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.environments.ports import Fence, SaveReceipt
from bot.environments.snapshots import SnapshotKeeper
from bot.github.messages.environment_reasons import describe
from bot.model.delivery import FailedDelivery, PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, Status
from bot.model.errors import GreenroomError, Unavailable
from bot.model.installation import Installation
from bot.model.manifest import NamespaceState, NamespaceView, OwnedNamespace
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.size import Size
from bot.store import Store
from bot.sweeps.expiry import sweep_expired, sweep_expiry_warnings
from bot.sweeps.orphans import OrphanPorts, sweep_orphans
from bot.sweeps.queue_wakeup import wake_queued_previews
from bot.sweeps.redelivery import sweep_failed_deliveries
from bot.sweeps.removed_repositories import sweep_removed_repositories
from bot.sweeps.resync import Resync, ResyncPorts
from bot.sweeps.schedule import Sweep
from bot.worker import Handler
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.environments.test_desired_state import PULL

SHOP = PULL.repository


class FakeMetrics:
    """Metrics that record only leaks."""

    def __init__(self) -> None:
        self.leaks: list[tuple[str, int]] = []
        """Cause and minutes."""

    def leaked(self, cause: str, minutes: float) -> None:
        self.leaks.append((cause, int(minutes)))

    def phase(self, phase: str, seconds: float) -> None: ...

    def destroy_failed(self) -> None: ...

    def swept(self, sweep: str, enqueued: int) -> None: ...

    def breaker_tripped(self, sweep: str) -> None: ...

    def rollout_step(self, strategy: str, weight: int) -> None: ...

    def rollout_verdict(self, verdict: str) -> None: ...


class SimulatedGitHub(fakes.FakeGitHub):
    """Raises `error`, if set, in place of an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.pulls: dict[int, PullRequest] = {}
        self.error: GreenroomError | None = None
        self.statuses: dict[int, Status] = {}
        self.active: set[int] = set()
        """Pull requests with an active Deployment of ours."""
        self.removed = False
        """GitHub confirms that the App has lost the repository."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        if self.error:
            raise self.error
        return self.pulls.get(number)

    async def access_lost(self, repository: Repository) -> bool:
        if isinstance(self.error, Unavailable):
            raise self.error
        return self.removed

    async def list_all(self) -> Sequence[Installation]:
        if self.error:
            raise self.error
        return [Installation(SHOP.installation_id, SHOP.owner, False)]

    async def repositories_of(self, installation_id: int) -> Sequence[Repository]:
        if self.error:
            raise self.error
        return [SHOP]

    async def open_pull_requests(self, repository: Repository) -> Sequence[PullRequest]:
        if self.error:
            raise self.error
        return [pull for pull in self.pulls.values() if pull.open]

    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> Collection[int]:
        if self.error:
            raise self.error
        return self.active - set(standing)

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        await fence()
        retired = int(pull.number in self.active)
        self.active.discard(pull.number)
        return retired

    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        if self.error:
            raise self.error
        return []

    async def redeliver(self, delivery: FailedDelivery) -> None: ...

    async def report(
        self,
        environment: Environment,
        pull: PullRequest,
        status: Status,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
    ) -> None:
        if self.error:
            raise self.error
        self.statuses[pull.number] = status


class SimulatedCluster(fakes.FakeCluster):
    """Namespaces by name; deletion completes at once unless `blockers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.namespaces: dict[str, tuple[EnvironmentKey, Size]] = {}
        self.snapshots: dict[str, str] = {}
        self.blockers = ""
        """The message of a namespace that stays terminating."""

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        if name not in self.namespaces:
            return NamespaceView(NamespaceState.ABSENT)
        held = NamespaceView(NamespaceState.TERMINATING, self.blockers)
        return held if self.blockers else NamespaceView(NamespaceState.OURS)

    async def prepare(
        self,
        name: str,
        environment: EnvironmentKey,
        repository: Repository,
        generation: int,
        size: Size,
        fence: Fence,
        *,
        fork: bool,
    ) -> None:
        await fence()
        self.namespaces[name] = (environment, size)

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        await fence()
        del self.namespaces[name]

    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        if name in self.namespaces:
            await fence()
            self.snapshots[name] = snapshot

    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        return [OwnedNamespace(name, key, SHOP, False) for name, (key, _) in self.namespaces.items()]

    async def owned_namespace(self, name: str) -> OwnedNamespace | None:
        return next((owned for owned in await self.owned_namespaces() if owned.name == name), None)


def handlers(
    reconciler: EnvironmentHandler,
    store: Store,
    cluster: SimulatedCluster,
    clock: ManualClock,
    telemetry: FakeMetrics,
) -> Mapping[str, Handler]:
    """Handlers of every kind of key that sweeps and hints enqueue."""
    orphans = OrphanedNamespaces(
        store.environments, store.journal, lambda name: nullcontext(cluster), clock, describe, telemetry
    )
    snapshots = SnapshotKeeper(store.snapshots, lambda name: nullcontext(cluster), clock)
    return {"environment": reconciler, "namespace": orphans, "snapshot": snapshots}


async def work_off(store: Store, clock: ManualClock, by_kind: Mapping[str, Handler], *sweeps: Sweep) -> None:
    """Runs the sweeps and all due work; the queue schedules retries of failed runs."""
    for sweep in sweeps:
        with contextlib.suppress(GreenroomError):
            await sweep()
    for _ in range(50):
        claims = await store.queue.claim("simulation", 9, 60)
        if not claims:
            return
        for claim in claims:
            try:
                again = await by_kind[claim.key.kind](claim)
            except GreenroomError as error:
                await store.queue.fail(claim, str(error), getattr(error, "at", None))
            else:
                await store.queue.finish(claim, again)
        clock.advance(1)
    raise AssertionError("the queue does not become empty")


class Simulation:
    """`settle` lets a worker do everything that is due."""

    def __init__(self, store: Store, clock: ManualClock, policy: Policy) -> None:
        self.store = store
        self.clock = clock
        self.policy = policy
        self.telemetry = FakeMetrics()
        self.github = SimulatedGitHub()
        self.cluster = SimulatedCluster()
        reconciler = EnvironmentHandler(
            Ports(
                environments=store.environments,
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
                telemetry=self.telemetry,
                **fakes.github_ports(self.github),
            ),
            policy,
        )
        self.handlers = handlers(reconciler, store, self.cluster, clock, self.telemetry)

    async def open(self, *numbers: int, author: str = "ada") -> None:
        """Opens pull requests and settles after each."""
        for number in numbers:
            self.github.pulls[number] = replace(PULL, number=number, author=author)
            await self.wake(number)

    async def change(self, number: int, **changed: object) -> None:
        pull = self.github.pulls[number]
        self.github.pulls[number] = replace(pull, **changed)  # type: ignore[arg-type]  # its fields
        await self.wake(number)

    async def close(self, number: int) -> None:
        await self.change(number, open=False)
        await self.settle()  # a later run verifies the deletion

    async def wake(self, *numbers: int) -> None:
        await self.store.deliveries.apply_hints(
            [PullRequestHint(SHOP, number, None, open=None) for number in numbers]
        )
        await self.settle()

    async def settle(self) -> None:
        self.clock.advance(20)
        await work_off(self.store, self.clock, self.handlers)

    async def sweep(self) -> None:
        """Runs every sweep and the work that it enqueues."""
        store, limit = self.store, 10
        github = self.github
        ports = ResyncPorts(github, github, github, github, store.environments, store.deliveries, store.queue)
        resync = Resync(ports, timedelta(minutes=10), limit, FakeMetrics())
        sweeps: tuple[Sweep, ...] = (
            lambda: resync.compare(SHOP),
            lambda: sweep_expired(store.environments, store.queue, self.clock(), limit, FakeMetrics()),
            lambda: sweep_expiry_warnings(store.environments, store.queue, self.clock(), FakeMetrics()),
            lambda: sweep_failed_deliveries(self.github, store.deliveries, self.clock(), FakeMetrics()),
            lambda: sweep_orphans(
                OrphanPorts(
                    {"default": self.cluster},
                    fakes.nothing_newer,
                    store.environments,
                    store.deliveries,
                    store.queue,
                ),
                limit,
                FakeMetrics(),
            ),
            lambda: sweep_removed_repositories(
                store.environments, store.deliveries, self.clock(), limit, FakeMetrics()
            ),
            lambda: wake_queued_previews(store.environments, store.queue, self.policy.caps, FakeMetrics()),
        )
        self.clock.advance(20)
        await work_off(store, self.clock, self.handlers, *sweeps)

    async def pass_time(self, time: timedelta) -> None:
        """Advances the clock, then runs all sweeps."""
        self.clock.advance(time.total_seconds())
        await self.sweep()
        await self.settle()

    async def record(self, number: int) -> Environment:
        environment = await self.store.environments.get(EnvironmentKey.preview(SHOP.id, number))
        assert environment is not None
        return environment

    async def journal(self, number: int) -> list[str]:
        """Actions of the decisions, oldest first."""
        made = await self.store.journal.decisions(EnvironmentKey.preview(SHOP.id, number))
        return [decision.action for decision in reversed(made)]

    def reported(self, number: int) -> str:
        """The state and cause that the pull request shows."""
        status = self.github.statuses[number]
        return f"{status.state}: {status.cause.summary}" if status.cause else str(status.state)
