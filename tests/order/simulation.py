"""The real store, queue and reconciler among modelled peers, with a world that changes while they work."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from bot.config.loader import CONFIG_FILE
from bot.environments.context import Ports
from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.github.messages.environment_reasons import describe
from bot.intake.parser import parse_delivery
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError, Superseded, Unavailable
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.store import Store
from bot.sweeps.resync import Resync
from tests.contract.shop import pull_request
from tests.order.fakes import ModelCluster, ModelGateway, ModelGitHub, ModelRegistry, RecordedStore
from tests.stores import ManualClock
from tests.unit.environments.fakes import github_ports

NUMBER = 7
IDLE = 10_000
"""A gap in which all work that there is comes to its end."""
LEASE_SECONDS = 60
MOST_RUNS = 300
"""What has not settled after so many runs never will."""


class Killed(BaseException):
    """The process ends here: nothing after it is done."""


@dataclass(frozen=True)
class Step:
    """Something that happens `gap` moments after the step before, or as soon as nothing runs."""

    gap: int
    happens: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Event:
    """A webhook, and what GitHub showed when it was sent."""

    name: str
    guid: str
    body: bytes
    pull: PullRequest


_ids = count(1000)


class Simulation:
    """A repository of its own with one pull request. One store serves any number, one after the other."""

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
        self._told: PullRequest | None = None
        self._events = 0
        self.start()

    def start(self) -> None:
        """A new process: nothing but the store remembers anything."""
        peers = Ports(
            environments=RecordedStore(self.store.environments, self._moment),
            registry=ModelRegistry(self._moment),
            renderer=self.cluster,
            namespaces=self.cluster,
            workloads=self.cluster,
            data=self.cluster,
            health=self.cluster,
            gateway=ModelGateway(self.cluster, self._moment),
            secrets={},
            clock=self.clock,
            describe=describe,
            **github_ports(self.github),
        )
        self._reconciler = EnvironmentHandler(peers, Policy())

    # What people do

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
        assert self.github.pull is not None, "it is opened first"
        self._events += 1
        pull = replace(self.github.pull, **to)  # type: ignore[arg-type]  # its fields
        self.github.pull = pull = replace(
            pull, updated_at=self.clock() + timedelta(microseconds=self._events)
        )
        told = {"state": "open" if pull.open else "closed", "head": {"sha": pull.head_sha}}
        body = self._payload(action=action, number=NUMBER, pull_request=told, changes={"base": {}})
        return Event("pull_request", self._guid(), body, pull)

    def configure(self, configuration: str) -> Event:
        """Pushes another `.greenroom.yml` to the default branch."""
        assert self.github.pull is not None, "it is opened first"
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
        told = {"id": repository.id, "name": repository.name, "owner": owner, "default_branch": "main"}
        installation = {"id": repository.installation_id}
        return json.dumps({**content, "repository": told, "installation": installation}).encode()

    # What the network and the machine do

    async def deliver(self, event: Event) -> None:
        reading = parse_delivery(event.name, event.guid, event.body, self.clock())
        await self.store.deliveries.record(reading.delivery, reading.effects)
        if self._told is None or self._told.updated_at < event.pull.updated_at:
            self._told = event.pull

    async def kill(self) -> None:
        raise Killed

    async def stall(self) -> None:
        """The process stands still; its leases run out, and another one takes over."""
        self.clock.advance(LEASE_SECONDS + 1)
        await self.work(1)

    async def sweep(self) -> None:
        github: Any = self.github  # a resync asks for pull requests only
        await Resync(
            github, github, github, self.store.environments, self.store.deliveries, 10, _Silent()
        ).all_repositories()

    # The work

    async def play(self, steps: Iterable[Step]) -> None:
        """Lets the steps happen while the work goes on, and returns when nothing is left to do."""
        self._steps.extend(steps)
        self._due = self.moments
        await self.settle()

    async def settle(self) -> None:
        """Works until nothing is left to do, moving the clock to whatever is waited for."""
        for _ in range(MOST_RUNS):
            try:
                if not await self.work(1) and not await self._time_passes():
                    return
            except Killed:
                self.start()
                self.clock.advance(LEASE_SECONDS + 1)
        raise AssertionError(f"it does not settle: {await self.environment()}")

    async def _time_passes(self) -> bool:
        """To the next step, or to the next work when the step is for when there is none."""
        due = await self.store.queue.next_due()
        if self._steps and (due is None or self._steps[0].gap < IDLE):
            await self._next_step()
        elif due is not None:
            self.clock.now = max(self.clock.now, due)
        else:
            return False
        return True

    async def work(self, runs: int) -> int:
        """Runs keys that are due, as the worker does; gives how many."""
        done = 0
        while done < runs:
            claims = await self.store.queue.claim("me", 1, LEASE_SECONDS)
            if not claims:
                break
            if claims[0].key == WorkKey.environment(self.key):
                await self._run(claims[0])
            else:  # left by a stage whose story went wrong
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
        await step.happens()

    def _before_write(self) -> None:
        """Once a newer desire was acknowledged, nothing is written that was decided without it."""
        told, read = self._told, self.github.read
        assert read is not None, "nothing is written before the pull request was read"
        if told is not None and told.updated_at > read.updated_at:
            assert (told.head_sha, told.open) == (read.head_sha, read.open), "written for an older desire"

    # What is seen at the end

    async def environment(self) -> Environment | None:
        return await self.store.environments.get(self.key)

    async def is_exactly_right(self) -> None:
        """Preview, pull request and record say what GitHub says, and nothing else is there."""
        pull, said = self.github.pull, self.github.reported
        environment = await self.environment()
        places = list(self.cluster.namespaces.values())
        if pull is None or not pull.open:
            assert places == []
            assert environment is None or environment.status.state is EnvironmentState.GONE
            assert said is None or said.state is EnvironmentState.GONE
            return
        assert environment is not None
        assert environment.status.state is EnvironmentState.READY
        assert environment.status.commit == environment.status.live_commit == pull.head_sha
        assert said is not None
        assert (said.state, said.commit) == (EnvironmentState.READY, pull.head_sha)
        assert said.url == environment.status.url
        assert [place.commits for place in places] == [{pull.head_sha}]
        assert set(places[0].objects) == {"ConfigMap", "Deployment", "HTTPRoute"}


class _Silent:
    """Telemetry that nobody reads."""

    def swept(self, sweep: str, enqueued: int) -> None:
        pass

    def breaker_tripped(self, sweep: str) -> None:
        raise AssertionError("nothing is taken away here")
