"""The real store, queue and reconciler with models of GitHub and the cluster that change during a run."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from bot.config.loader import CONFIG_FILE
from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.github.messages.environment_reasons import describe
from bot.intake.parser import parse_delivery
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError, Superseded, Unavailable
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.store import Store
from bot.sweeps.resync import Resync, ResyncPorts
from tests.contract.shop import pull_request
from tests.order.fakes import ModelCluster, ModelGateway, ModelGitHub, ModelRegistry, RecordedStore
from tests.stores import ManualClock
from tests.unit.environments.fakes import github_ports

NUMBER = 7
IDLE = 10_000
"""A gap in which all queued work finishes."""
LEASE_SECONDS = 60
MAX_RUNS = 300
"""Work that has not settled after this many runs never settles."""


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Step:
    """An action, `gap` moments after the step before it or as soon as nothing runs."""

    gap: int
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Event:
    """A webhook, and what GitHub showed when it was sent."""

    name: str
    guid: str
    body: bytes
    pull: PullRequest


_ids = count(1000)


class Simulation:
    """One repository with one pull request. Simulations may share a store, one after another."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.repository = Repository(next(_ids), 20, "acme", "shop")
        self.key = EnvironmentKey.preview(self.repository.id, NUMBER)
        self.store = store
        self.clock = clock
        self.github = ModelGitHub(self.repository, self._moment, self._before_write)
        self.cluster = ModelCluster(self._moment, self._before_write, clock)
        self.moments = 0
        self._steps: deque[Step] = deque()
        self._due = 0
        self._delivered: PullRequest | None = None
        self._events = 0
        self.start()

    def start(self) -> None:
        """Starts a new process: only the store keeps state."""
        ports = Ports(
            environments=RecordedStore(self.store.environments, self._moment),
            registry=ModelRegistry(self._moment),
            renderer=self.cluster,
            namespaces=self.cluster,
            workloads=self.cluster,
            data=self.cluster,
            health=self.cluster,
            services=self.cluster,
            gateway=ModelGateway(self.cluster, self._moment),
            secrets={},
            clock=self.clock,
            describe=describe,
            **github_ports(self.github),
        )
        self._reconciler = EnvironmentHandler(ports, Policy())

    # Actions of users

    def open(self) -> Event:
        pull = replace(pull_request("", self.clock()), repository=self.repository, number=NUMBER)
        self.github.pull = replace(pull, head_repository_id=self.repository.id)
        return self.edit("opened", head_sha=self._commit())

    def push(self) -> Event:
        return self.edit("synchronize", head_sha=self._commit())

    def close(self) -> Event:
        return self.edit("closed", open=False)

    def reopen(self) -> Event:
        return self.edit("reopened", open=True)

    def edit(self, action: str, **to: object) -> Event:
        assert self.github.pull is not None, "open it first"
        self._events += 1
        pull = replace(self.github.pull, **to)  # type: ignore[arg-type]  # its fields
        self.github.pull = pull = replace(
            pull, updated_at=self.clock() + timedelta(microseconds=self._events)
        )
        shown = {"state": "open" if pull.open else "closed", "head": {"sha": pull.head_sha}}
        body = self._payload(action=action, number=NUMBER, pull_request=shown, changes={"base": {}})
        return Event("pull_request", self._guid(), body, pull)

    def configure(self, configuration: str) -> Event:
        """Pushes another `.greenroom.yml` to the default branch."""
        assert self.github.pull is not None, "open it first"
        self._events += 1
        self.github.configuration = configuration
        body = self._payload(ref="refs/heads/main", commits=[{"modified": [CONFIG_FILE]}])
        return Event("push", self._guid(), body, self.github.pull)

    def _commit(self) -> str:
        return f"{self._events + 1:040x}"

    def _guid(self) -> str:
        return f"{self.repository.id}-{self._events}"

    def _payload(self, **content: object) -> bytes:
        repository, owner = self.repository, {"login": self.repository.owner}
        listed = {"id": repository.id, "name": repository.name, "owner": owner, "default_branch": "main"}
        installation = {"id": repository.installation_id}
        return json.dumps({**content, "repository": listed, "installation": installation}).encode()

    # Actions of the network and the machine

    async def deliver(self, event: Event) -> None:
        reading = parse_delivery(event.name, event.guid, event.body, self.clock())
        await self.store.deliveries.record(reading.delivery, reading.effects)
        if self._delivered is None or self._delivered.updated_at < event.pull.updated_at:
            self._delivered = event.pull

    async def kill(self) -> None:
        raise Killed

    async def stall(self) -> None:
        """Suspends the process; its leases expire and another process takes over."""
        self.clock.advance(LEASE_SECONDS + 1)
        await self.work(1)

    async def sweep(self) -> None:
        github: Any = self.github  # a resync asks for pull requests only
        store = self.store
        ports = ResyncPorts(github, github, github, github, store.environments, store.deliveries, store.queue)
        await Resync(ports, timedelta(minutes=10), 10, _NoMetrics()).compare(self.repository)

    # Work

    async def play(self, steps: Iterable[Step]) -> None:
        """Runs the steps during the work; returns when no work is left."""
        self._steps.extend(steps)
        self._due = self.moments
        await self.settle()

    async def settle(self) -> None:
        """Works until no work is left; moves the clock to the next due key."""
        for _ in range(MAX_RUNS):
            try:
                if not await self.work(1) and not await self._time_passes():
                    return
            except Killed:
                self.start()
                self.clock.advance(LEASE_SECONDS + 1)
        raise AssertionError(f"not settled: {await self.environment()}")

    async def _time_passes(self) -> bool:
        """Moves to the next step or the next due key; False when neither exists."""
        due = await self.store.queue.next_due()
        if self._steps and (due is None or self._steps[0].gap < IDLE):
            await self._next_step()
        elif due is not None:
            self.clock.now = max(self.clock.now, due)
        else:
            return False
        return True

    async def work(self, runs: int) -> int:
        """Runs keys that are due, as the worker does; returns their number."""
        done = 0
        while done < runs:
            claims = await self.store.queue.claim("me", 1, LEASE_SECONDS)
            if not claims:
                break
            if claims[0].key == WorkKey.environment(self.key):
                await self._run(claims[0])
            else:  # left by a stage of a failed test
                await self.store.queue.finish(claims[0])
            done += 1
        return done

    async def _run(self, claim: Claim) -> None:
        try:
            again_at = await self._reconciler(claim)
        except Superseded:
            await self.store.queue.finish(claim)
        except Unavailable as error:
            await self.store.queue.fail(claim, str(error), error.retry_at)
        except GreenroomError as error:
            await self.store.queue.fail(claim, str(error))
        else:
            await self.store.queue.finish(claim, again_at)

    async def _moment(self) -> None:
        self.moments += 1
        while self._steps and self.moments >= self._due + self._steps[0].gap:
            await self._next_step()

    async def _next_step(self) -> None:
        step = self._steps.popleft()
        self._due = self.moments
        await step.run()

    def _before_write(self) -> None:
        """After a newer state was acknowledged, nothing is written that was decided without it."""
        delivered, read = self._delivered, self.github.read
        assert read is not None, "nothing is written before the pull request was read"
        if delivered is not None and delivered.updated_at > read.updated_at:
            assert (delivered.head_sha, delivered.open) == (read.head_sha, read.open), (
                "written for an older state"
            )

    # Results

    async def environment(self) -> Environment | None:
        return await self.store.environments.get(self.key)

    async def assert_converged(self) -> None:
        """Namespace, report and record match the pull request, and no other namespace exists."""
        pull, reported = self.github.pull, self.github.reported
        environment = await self.environment()
        namespaces = list(self.cluster.namespaces.values())
        if pull is None or not pull.open:
            assert namespaces == []
            assert environment is None or environment.status.state is EnvironmentState.GONE
            assert reported is None or reported.state is EnvironmentState.GONE
            return
        assert environment is not None
        assert environment.status.state is EnvironmentState.READY
        assert environment.status.commit == environment.status.live_commit == pull.head_sha
        assert reported is not None
        assert (reported.state, reported.commit) == (EnvironmentState.READY, pull.head_sha)
        assert reported.url == environment.status.url
        assert [namespace.commits for namespace in namespaces] == [{pull.head_sha}]
        assert set(namespaces[0].objects) == {"ConfigMap", "Deployment", "HTTPRoute"}


class _NoMetrics:
    """Discards metrics."""

    def swept(self, sweep: str, enqueued: int) -> None:
        pass

    def breaker_tripped(self, sweep: str) -> None:
        raise AssertionError("the breaker tripped")
