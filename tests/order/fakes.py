"""Small models of what a reconcile talks to: they do what the ports promise, at once and in memory.

Between any two things that happen the world may change: that is what `moment` is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.environments.ports import Clock, Fence, SaveReceipt
from bot.model.ci import Ci, CiState
from bot.model.data import DataRecord
from bot.model.delivery import RemovalNotice
from bot.model.environment import Decision, Environment, EnvironmentKey, EnvironmentState, Status
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import (
    Answer,
    Bundle,
    Condition,
    Manifest,
    NamespaceState,
    NamespaceView,
    ObjectState,
    RenderRequest,
    Wave,
)
from bot.model.pull_request import PullRequest
from bot.model.quota import NO_CAPS, Caps, QueuePosition
from bot.model.release import PromotableRelease, Release
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.size import Size
from bot.model.work import Claim
from bot.store.environments import SqlEnvironmentStore

Moment = Callable[[], Awaitable[None]]

CONFIGURATION = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy}
route: {service: shop, port: 80}
preview:
  config: {COLOUR: blue}
  checks: [{http: /healthz}]
"""

_START = timedelta(seconds=1)
"""How long what was applied needs to be ready, and a namespace to be gone."""


@dataclass(frozen=True)
class Reported:
    """What stands on the pull request."""

    state: EnvironmentState
    commit: str | None
    url: str | None
    checks: tuple[str, ...]
    cause: str


class ModelGitHub:
    """One pull request as people made it, and what was said on it."""

    def __init__(self, repository: Repository, moment: Moment, before_write: Callable[[], None]) -> None:
        self._repository = repository
        self._moment = moment
        self._before_write = before_write
        self.pull: PullRequest | None = None
        self.read: PullRequest | None = None
        """As the bot read it last."""
        self.configuration: str | None = CONFIGURATION
        self.paths: dict[str, Sequence[str]] = {}
        """Changed paths, by base branch."""
        self.reported: Reported | None = None

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        self.read = found = self.pull
        await self._moment()
        return found

    async def repositories(self) -> Sequence[Repository]:
        return [self._repository]

    async def open_pull_requests(self, repository: Repository) -> Sequence[PullRequest]:
        return [self.pull] if self.pull is not None and self.pull.open else []

    async def role(self, repository: Repository, login: str) -> Role:
        return Role.NONE

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        return 0

    async def access_lost(self, repository: Repository) -> bool:
        return False

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        return self.paths.get(self.pull.base_ref if self.pull else "", ("shop/web.py",))

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        text = self.configuration
        await self._moment()
        return text

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]:
        await self._moment()
        return {}

    async def ci(self, repository: Repository, commit: str) -> Ci:
        return Ci(CiState.PENDING)

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
        checks = tuple(f"{check.name}: {check.state}" for check in status.checks)
        cause = status.cause.summary if status.cause else ""
        said = Reported(status.state, status.commit, status.url, checks, cause)
        receipt = _digest(said)
        if environment.receipt == receipt:
            return
        await self._moment()
        await fence()
        self._before_write()
        self.reported = said
        await self._moment()
        await save(receipt)


class ModelRegistry:
    """Every image is there."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    async def resolve(self, image: str, tag: str) -> str | None:
        await self._moment()
        return f"sha256:{_digest((image, tag))}"


@dataclass
class FakeNamespace:
    """A namespace."""

    environment: EnvironmentKey
    objects: dict[str, Manifest] = field(default_factory=dict)
    changed_at: dict[str, datetime] = field(default_factory=dict)
    gone_at: datetime | None = None
    data: DataRecord | None = None

    @property
    def commits(self) -> set[str]:
        return {str(each["commit"]) for each in self.objects.values()}


class ModelCluster:
    def __init__(self, moment: Moment, before_write: Callable[[], None], clock: Clock) -> None:
        self._moment = moment
        self._before_write = before_write
        self._clock = clock
        self._namespaces: dict[str, FakeNamespace] = {}

    @property
    def namespaces(self) -> dict[str, FakeNamespace]:
        now = self._clock()
        gone = [
            name
            for name, place in self._namespaces.items()
            if place.gone_at is not None and place.gone_at <= now
        ]
        for name in gone:
            del self._namespaces[name]
        return self._namespaces

    async def render(self, request: RenderRequest) -> Bundle:
        told = (request.commit, sorted(request.config.items()))
        release = Release(request.commit, request.images, _digest(told))

        def made(kind: str) -> Manifest:
            metadata = {"name": "shop", "namespace": request.namespace}
            content = {"commit": request.commit, "release": release.id, "config": dict(request.config)}
            return {"kind": kind, "metadata": metadata, **content}

        waves: dict[Wave, tuple[Manifest, ...]] = {
            Wave.CONFIGURATION: (made("ConfigMap"),),
            Wave.WORKLOADS: (made("Deployment"),),
            Wave.ROUTE: (made("HTTPRoute"),),
        }
        digests = {
            wave: hashlib.sha256(repr(objects).encode()).hexdigest() for wave, objects in waves.items()
        }
        return Bundle(release, waves, digests=digests)

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        place = self.namespaces.get(name)
        await self._moment()
        if place is None:
            return NamespaceView(NamespaceState.ABSENT)
        if place.environment != environment:
            return NamespaceView(NamespaceState.FOREIGN)
        return NamespaceView(NamespaceState.OURS if place.gone_at is None else NamespaceState.TERMINATING)

    async def prepare(
        self,
        name: str,
        environment: EnvironmentKey,
        repository: Repository,
        generation: int,
        size: Size,
        fence: Fence,
    ) -> None:
        await self._moment()
        await fence()
        self._before_write()
        place = self.namespaces.setdefault(name, FakeNamespace(environment))
        if place.environment != environment:
            raise Rejected(f"There is a namespace {name} that is not this environment's.")
        if place.gone_at is not None:
            raise Unavailable(f"Namespace {name} is still being deleted.")
        await self._moment()

    async def apply(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        for each in objects:
            await self._moment()
            await fence()
            place = self.namespaces.get(namespace)
            if place is None or place.gone_at is not None:
                raise Unavailable(f"Namespace {namespace} is not there.")
            self._before_write()
            kind = str(each["kind"])
            if place.objects.get(kind) != each:
                place.objects[kind] = each
                place.changed_at[kind] = self._clock()
            await self._moment()

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        place = self.namespaces.get(namespace)
        await self._moment()
        return [self._state(place, each) for each in objects]

    def _state(self, place: FakeNamespace | None, wanted: Manifest) -> ObjectState:
        kind = str(wanted["kind"])
        if place is None or place.objects.get(kind) != wanted:
            return ObjectState(kind, "shop", Condition.PROGRESSING, "it is not there")
        if self._clock() < place.changed_at[kind] + _START:
            return ObjectState(kind, "shop", Condition.PROGRESSING, "it starts")
        return ObjectState(kind, "shop", Condition.READY)

    # The model's configuration names neither data nor secrets.

    async def inject(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
        fence: Fence,
    ) -> None:
        raise AssertionError("there are no secrets")

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        place = self.namespaces.get(namespace)
        return place.data if place is not None else None

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None:
        await self._moment()
        await fence()
        self._before_write()
        if (place := self.namespaces.get(namespace)) is not None:
            place.data = record

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        raise AssertionError("there is no data")

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        raise AssertionError("there is no data")

    async def withdraw(
        self, namespace: str, environment: EnvironmentKey, bundle: Bundle, fence: Fence, *, fork: bool
    ) -> None:
        await self._moment()
        await fence()

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        await self._moment()
        await fence()

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        return False

    async def running(self, namespace: str) -> Sequence[str]:
        return ()

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        place = self.namespaces.get(name)
        await self._moment()
        await fence()
        self._before_write()
        if place is not None and place.environment == environment and place.gone_at is None:
            place.gone_at = self._clock() + _START
        await self._moment()


class ModelGateway:
    """Carries what the cluster's route says."""

    def __init__(self, cluster: ModelCluster, moment: Moment) -> None:
        self._cluster = cluster
        self._moment = moment

    def host(self, label: str) -> str:
        return f"{label}.preview.test"

    def url(self, host: str) -> str:
        return f"https://{host}/"

    async def get(self, host: str, path: str) -> Answer:
        label = host.partition(".")[0]
        place, _, repository = label.removeprefix("pr-").partition("-")
        found = self._cluster.namespaces.get(f"gr-{repository}-pr-{place}")
        route = found.objects.get("HTTPRoute") if found is not None and found.gone_at is None else None
        await self._moment()
        return Answer(404) if route is None else Answer(200, str(route["release"]))


class RecordedStore:
    """The store's environments, with the world changing before and after each write."""

    def __init__(self, environments: SqlEnvironmentStore, moment: Moment) -> None:
        self._environments = environments
        self._moment = moment

    async def claimed(self, claim: Claim) -> Environment | None:
        return await self._environments.claimed(claim)

    async def get(self, key: EnvironmentKey) -> Environment | None:
        return await self._environments.get(key)

    async def check(self, claim: Claim, key: EnvironmentKey, generation: int) -> None:
        await self._environments.check(claim, key, generation)

    async def save(
        self,
        claim: Claim,
        environment: Environment,
        *,
        decisions: Sequence[Decision] = (),
        release: PromotableRelease | None = None,
        wakes_promotions: bool = False,
        caps: Caps = NO_CAPS,
        last: bool = False,
    ) -> None:
        await self._moment()
        await self._environments.save(
            claim,
            environment,
            decisions=decisions,
            release=release,
            wakes_promotions=wakes_promotions,
            caps=caps,
            last=last,
        )
        await self._moment()

    async def admit(self, claim: Claim, environment: Environment, caps: Caps) -> QueuePosition | None:
        await self._moment()
        turn = await self._environments.admit(claim, environment, caps)
        await self._moment()
        return turn

    async def removal(self, repository: Repository, before: datetime) -> RemovalNotice | None:
        return await self._environments.removal(repository, before)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
