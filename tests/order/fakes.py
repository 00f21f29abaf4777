"""In-memory models of the ports of a reconcile.

GitHub or the cluster may change between any two calls: each call awaits `moment`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.cluster.routing.routes import service_addresses
from bot.environments.ports import Clock, Fence, SaveReceipt
from bot.model.ci import Ci, CiState
from bot.model.data import DataRecord, Rehearsal
from bot.model.delivery import RemovalNotice
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Decision, Environment, EnvironmentKey, EnvironmentState, Status
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import (
    Answer,
    Bundle,
    Condition,
    FilledBundle,
    Manifest,
    NamespaceState,
    NamespaceView,
    ObjectState,
    RenderRequest,
    RunningContainer,
    ServiceState,
    Wave,
)
from bot.model.pull_request import PullRequest
from bot.model.quota import NO_CAPS, Caps, QueuePosition
from bot.model.release import CheckedRelease, Release
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
"""How long an applied object takes to become ready, and a namespace to be deleted."""


@dataclass(frozen=True)
class Reported:
    """The report on the pull request."""

    state: EnvironmentState
    commit: str | None
    url: str | None
    checks: tuple[str, ...]
    cause: str


class ModelGitHub:
    """One pull request and its report."""

    def __init__(self, repository: Repository, moment: Moment, before_write: Callable[[], None]) -> None:
        self._repository = repository
        self._moment = moment
        self._before_write = before_write
        self.pull: PullRequest | None = None
        self.read: PullRequest | None = None
        """The pull request as last read by the bot."""
        self.configuration: str | None = CONFIGURATION
        self.paths: dict[str, Sequence[str]] = {}
        """Changed paths, by base branch."""
        self.reported: Reported | None = None

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        self.read = pull = self.pull
        await self._moment()
        return pull

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

    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> set[int]:
        """This GitHub has no Deployments."""
        return set()

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        text = self.configuration
        await self._moment()
        return text

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
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
        reported = Reported(status.state, status.commit, status.url, checks, cause)
        receipt = _digest(reported)
        if environment.receipt == receipt:
            return
        await self._moment()
        await fence()
        self._before_write()
        self.reported = reported
        await self._moment()
        await save(receipt)


class ModelRegistry:
    """Every image exists."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    async def resolve(self, image: str, tag: str) -> str | None:
        await self._moment()
        return f"sha256:{_digest((image, tag))}"

    async def digests(self, image: str, digest: str) -> Collection[str]:
        raise AssertionError("no node reports another digest")

    async def exists(self, reference: str) -> bool:
        raise AssertionError("there is no data")


@dataclass
class FakeNamespace:
    """A namespace."""

    environment: EnvironmentKey
    objects: dict[str, Manifest] = field(default_factory=dict)
    changed_at: dict[str, datetime] = field(default_factory=dict)
    deleted_at: datetime | None = None
    data: DataRecord | None = None

    @property
    def commits(self) -> set[str]:
        return {str(manifest["commit"]) for manifest in self.objects.values()}


class ModelCluster:
    def __init__(self, moment: Moment, before_write: Callable[[], None], clock: Clock) -> None:
        self._moment = moment
        self._before_write = before_write
        self._clock = clock
        self._namespaces: dict[str, FakeNamespace] = {}

    @property
    def namespaces(self) -> dict[str, FakeNamespace]:
        now = self._clock()
        deleted = [
            name
            for name, live in self._namespaces.items()
            if live.deleted_at is not None and live.deleted_at <= now
        ]
        for name in deleted:
            del self._namespaces[name]
        return self._namespaces

    async def render(self, request: RenderRequest) -> Bundle:
        content = (request.commit, sorted(request.config.items()))
        release = Release(request.commit, request.images, _digest(content))

        def manifest(kind: str) -> Manifest:
            metadata = {"name": "shop", "namespace": request.namespace}
            fields = {"commit": request.commit, "release": release.id, "config": dict(request.config)}
            return {"kind": kind, "metadata": metadata, **fields}

        waves: dict[Wave, tuple[Manifest, ...]] = {
            Wave.CONFIGURATION: (manifest("ConfigMap"),),
            Wave.WORKLOADS: (manifest("Deployment"),),
            Wave.ROUTE: (manifest("HTTPRoute"),),
        }
        digests = {
            wave: hashlib.sha256(repr(objects).encode()).hexdigest() for wave, objects in waves.items()
        }
        addresses = tuple(service_addresses(request.routing.routes, request.hosts))
        return Bundle(release, waves, digests=digests, addresses=addresses)

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        live = self.namespaces.get(name)
        await self._moment()
        if live is None:
            return NamespaceView(NamespaceState.ABSENT)
        if live.environment != environment:
            return NamespaceView(NamespaceState.FOREIGN)
        return NamespaceView(NamespaceState.OURS if live.deleted_at is None else NamespaceState.TERMINATING)

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
        await self._moment()
        await fence()
        self._before_write()
        live = self.namespaces.setdefault(name, FakeNamespace(environment))
        if live.environment != environment:
            raise Rejected(f"Namespace {name} belongs to another environment.")
        if live.deleted_at is not None:
            raise Unavailable(f"Namespace {name} is still being deleted.")
        await self._moment()

    async def apply(
        self, namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        for manifest in objects:
            await self._moment()
            await fence()
            live = self.namespaces.get(namespace)
            if live is None or live.deleted_at is not None:
                raise Unavailable(f"Namespace {namespace} does not exist.")
            self._before_write()
            kind = str(manifest["kind"])
            if live.objects.get(kind) != manifest:
                live.objects[kind] = manifest
                live.changed_at[kind] = self._clock()
            await self._moment()

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        live = self.namespaces.get(namespace)
        await self._moment()
        return [self._state(live, manifest) for manifest in objects]

    def _state(self, live: FakeNamespace | None, expected: Manifest) -> ObjectState:
        kind = str(expected["kind"])
        if live is None or live.objects.get(kind) != expected:
            return ObjectState(kind, "shop", Condition.PROGRESSING, "it does not exist")
        if self._clock() < live.changed_at[kind] + _START:
            return ObjectState(kind, "shop", Condition.PROGRESSING, "it is starting")
        return ObjectState(kind, "shop", Condition.READY)

    # The model's configuration names neither data nor secrets.

    async def inject(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
        fence: Fence,
        *,
        candidate: str = "",
    ) -> None:
        raise AssertionError("there are no secrets")

    async def copy_pull_secrets(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        secrets: Sequence[str],
        fence: Fence,
    ) -> None:
        raise AssertionError("there are no secrets")

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        live = self.namespaces.get(namespace)
        return live.data if live is not None else None

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None:
        await self._moment()
        await fence()
        self._before_write()
        if (live := self.namespaces.get(namespace)) is not None:
            live.data = record

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        raise AssertionError("there is no data")

    async def rehearse(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> Rehearsal:
        raise AssertionError("there is no data")

    async def services(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ServiceState]:
        return ()

    async def answers(self, service: ServiceState) -> bool:
        raise AssertionError("there are no Services")

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        raise AssertionError("there is no data")

    async def withdraw(
        self, namespace: str, environment: EnvironmentKey, bundle: Bundle, fence: Fence, *, fork: bool
    ) -> None:
        await self._moment()
        await fence()

    async def delete(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        await fence()

    async def deployed(self, namespace: str, environment: EnvironmentKey) -> Sequence[Manifest]:
        return ()

    async def fill(self, namespace: str, environment: EnvironmentKey, bundle: Bundle) -> FilledBundle:
        raise AssertionError("nothing is generated")

    async def stop(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        await self._moment()
        await fence()

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        await self._moment()
        await fence()

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        return False

    async def running(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[RunningContainer]:
        return ()

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        live = self.namespaces.get(name)
        await self._moment()
        await fence()
        self._before_write()
        if live is not None and live.environment == environment and live.deleted_at is None:
            live.deleted_at = self._clock() + _START
        await self._moment()


class ModelGateway:
    """Serves the release of the cluster's route."""

    def __init__(self, cluster: ModelCluster, moment: Moment) -> None:
        self._cluster = cluster
        self._moment = moment

    def host(self, label: str) -> str:
        return f"{label}.preview.test"

    def url(self, host: str) -> str:
        return f"https://{host}/"

    async def get(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        label = host.partition(".")[0]
        number, _, repository = label.removeprefix("pr-").partition("-")
        live = self._cluster.namespaces.get(f"gr-{repository}-pr-{number}")
        route = live.objects.get("HTTPRoute") if live is not None and live.deleted_at is None else None
        await self._moment()
        return Answer(404) if route is None else Answer(200, str(route["release"]))

    async def call(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        raise AssertionError("the model has no gRPC route")


class RecordedStore:
    """The store's environments; GitHub and the cluster may change before and after each write."""

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
        release: CheckedRelease | None = None,
        failure: NamespaceDiagnostics | None = None,
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
            failure=failure,
            wakes_promotions=wakes_promotions,
            caps=caps,
            last=last,
        )
        await self._moment()

    async def admit(
        self, claim: Claim, environment: Environment, caps: Caps, *, decisions: Sequence[Decision] = ()
    ) -> QueuePosition | None:
        await self._moment()
        position = await self._environments.admit(claim, environment, caps, decisions=decisions)
        await self._moment()
        return position

    async def removal(self, repository: Repository, before: datetime) -> RemovalNotice | None:
        return await self._environments.removal(repository, before)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
