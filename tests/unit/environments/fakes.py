"""Fakes of GitHub, registry, cluster and gateway around a reconciler with a real store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.cluster.render.generated_values import fill
from bot.cluster.routing.routes import service_addresses
from bot.environments.handler import EnvironmentHandler
from bot.environments.infrastructure.ports import InfrastructureDriver
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.environments.ports import Fence, SaveReceipt
from bot.github.messages.environment_reasons import describe
from bot.github.resources.checks import CheckOutcome, overall_state
from bot.model.ci import Ci
from bot.model.commit import Authors, Commit
from bot.model.data import DataRecord, Rehearsal
from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, Status
from bot.model.errors import Deferred, Rejected, Unavailable
from bot.model.manifest import (
    Answer,
    Bundle,
    Condition,
    FilledBundle,
    Manifest,
    NamespaceState,
    NamespaceView,
    ObjectState,
    OwnedNamespace,
    RenderRequest,
    RunningContainer,
    ServiceState,
    Wave,
)
from bot.model.notes import Note
from bot.model.pull_request import PullRequest
from bot.model.release import Release
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.secret import SecretValue
from bot.model.size import Size
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.test_desired_state import PULL

CONFIGURATION = "version: 1\nimages: {shop: acme/shop}\nmanifests: {plain: deploy}\n"
DIGEST = "sha256:" + "1" * 64
PARTS = (b"manifest ", b"configuration ")


class FakeGitHub:
    def __init__(self) -> None:
        self.pull: PullRequest | None = PULL
        self.configuration: str | None = CONFIGURATION
        self.checks = [CheckOutcome("build", "pending", "actions")]
        self.reported: list[Status] = []
        self.roles: dict[str, Role] = {}
        self.busy_until: datetime | None = None
        """Deferrable reports are refused before this time."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        return self.pull

    async def head(self, repository: Repository) -> Commit | None:
        return Commit("d" * 40, "ada", Authors())

    async def role(self, repository: Repository, login: str) -> Role:
        return self.roles.get(login, Role.NONE)

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        return 0

    async def access_lost(self, repository: Repository) -> bool:
        return False

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        return ()

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        return self.configuration

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        return {}

    async def ci(self, repository: Repository, commit: str) -> Ci:
        return overall_state(self.checks)

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
        if deferrable and self.busy_until is not None:
            raise Deferred("Writes that cannot be deferred go to GitHub first.", self.busy_until)
        self.reported.append(status)


def github_ports(github: object) -> Mapping[str, Any]:
    """One fake in place of all resources of GitHub, as arguments of `Ports`."""
    names = (
        "pull_requests",
        "contents",
        "checks",
        "collaborators",
        "installations",
        "deployments",
        "reporter",
    )
    return dict.fromkeys(names, github)


class FakeRegistry:
    def __init__(self) -> None:
        self.digest: str | None = DIGEST
        self.error: Unavailable | Rejected | None = None
        self.deleted: set[str] = set()
        """References of images that no longer exist."""
        self.unreadable: set[str] = set()

    async def resolve(self, image: str, tag: str) -> str | None:
        if self.error is not None:
            raise self.error
        return self.digest

    async def digests(self, image: str, digest: str) -> Collection[str]:
        """An image of one platform, whose manifest and configuration have digests of their own."""
        return [digest, *(f"sha256:{hashlib.sha256(part + digest.encode()).hexdigest()}" for part in PARTS)]

    async def exists(self, reference: str) -> bool:
        if reference in self.unreadable:
            raise Unavailable(f"access to {reference} is denied")
        return reference not in self.deleted


async def nothing_newer(_: Sequence[OwnedNamespace]) -> None:
    """The store was never lost."""


class FakeCluster:
    """Everything that is applied is at once in the state that was set."""

    def __init__(self) -> None:
        self.state = NamespaceState.ABSENT
        self.error: Unavailable | Rejected | None = None
        self.rendered: list[RenderRequest] = []
        self.containers: list[RunningContainer] = []
        """What runs."""
        self.injected: list[Mapping[str, str]] = []
        self.operator_secrets: set[str] = set()
        """The Secrets with credentials for registries, as NAMESPACE/NAME."""
        self.requests: Size | None = None
        """What the objects of the bundle request."""
        self.granted_pull_secrets: tuple[str, ...] = ()
        self.pull_secrets: tuple[str, ...] = ()
        """Those that were copied."""
        self.secret: Mapping[str, str] | None = None
        """The values that the namespace contains."""
        self.seen: list[Mapping[str, str] | None] = []
        """The values that were in the namespace when a wave was applied."""
        self.waves: dict[Wave, tuple[Manifest, ...]] = {}
        self.checks: dict[str, Manifest] = {}
        self.record: DataRecord | None = None
        self.behind: list[ServiceState] = []
        """Services with what is behind them, if they are applied."""
        self.answering: set[str] = set()
        """Names of Services to which the bot can connect."""
        self.images: tuple[str, ...] = ()
        """Images of the pods with data."""
        self.missing: tuple[str, ...] = ()
        """What the objects of new data refer to and that does not exist."""
        self.refused: Rejected | None = None
        """The answer to a dry run of the objects of new data."""
        self.stuck: list[str] = []
        """Objects that one reset finds still present, each reported once."""
        self.states: dict[str, ObjectState] = {}
        """States of objects that are not ready, by name."""
        self.notes: tuple[Note, ...] = ()
        """How the rendered objects differ from the manifests."""
        self.applied = 0
        self.changes: list[str] = []
        """What was applied and deleted, in order."""
        self.log: list[str] = []
        self.steps_left = 1000
        """Steps of data work until the process is killed."""

    def record_step(self, step: str) -> None:
        self.log.append(step)
        self.steps_left -= 1
        if self.steps_left == 0:
            raise asyncio.CancelledError

    async def render(self, request: RenderRequest) -> Bundle:
        self.rendered.append(request)
        release = Release(request.commit, request.images, request.secrets)
        addresses = tuple(service_addresses(request.routing.routes, request.hosts))
        return Bundle(
            release,
            self.waves,
            self.checks,
            notes=self.notes,
            secrets=bool(request.secrets),
            addresses=addresses,
            pull_secrets=self.granted_pull_secrets,
            requests=self.requests,
        )

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        if self.error:
            raise self.error
        return NamespaceView(self.state)

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
        self.state = NamespaceState.OURS

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
        await fence()
        self.injected.append(values)
        self.secret = values

    async def copy_pull_secrets(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        secrets: Sequence[str],
        fence: Fence,
    ) -> None:
        if absent := [secret for secret in secrets if secret not in self.operator_secrets]:
            raise Rejected(f"the Secret {absent[0]} does not exist")
        await fence()
        self.pull_secrets = tuple(secrets)

    async def withdraw(
        self, namespace: str, environment: EnvironmentKey, bundle: Bundle, fence: Fence, *, fork: bool
    ) -> None:
        await fence()
        if not bundle.secrets:
            self.secret = None

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        return self.record

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None:
        await fence()
        self.record_step(f"record {record.reseeds} {'resetting' if record.resetting else ''}".strip())
        self.record = record

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        await fence()
        self.record_step("reset")
        return [self.stuck.pop()] if self.stuck else []

    async def rehearse(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> Rehearsal:
        await fence()
        if self.refused is not None:
            raise self.refused
        return Rehearsal(self.images, self.missing)

    async def services(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ServiceState]:
        names = {manifest["metadata"]["name"] for manifest in objects}
        return [service for service in self.behind if service.name in names]

    async def answers(self, service: ServiceState) -> bool:
        return service.name in self.answering

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        await fence()
        self.record_step(f"run {job['metadata']['name']}")

    async def apply(
        self, namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        await fence()
        self.applied += 1
        self.changes += (f"apply {manifest['metadata']['name']}" for manifest in objects)
        self.seen.append(self.secret)

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        return [
            self.states.get(name, ObjectState(manifest["kind"], name, Condition.READY))
            for manifest in objects
            for name in [manifest["metadata"]["name"]]
        ]

    async def delete(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        await fence()
        self.changes += (f"delete {manifest['metadata']['name']}" for manifest in objects)

    async def deployed(self, namespace: str, environment: EnvironmentKey) -> Sequence[Manifest]:
        return ()

    async def fill(self, namespace: str, environment: EnvironmentKey, bundle: Bundle) -> FilledBundle:
        return fill(bundle, {})

    async def stop(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        await fence()
        self.changes.append("stop")

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        await fence()

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        return False

    async def running(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[RunningContainer]:
        return self.containers

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        await fence()
        self.state = NamespaceState.ABSENT


class FakeSecrets:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    async def read(self, path: str, repository: Repository) -> SecretValue:
        if path not in self.values:
            raise Rejected("there is none")
        return SecretValue(self.values[path], self.versions.get(path, ""))


class FakeGateway:
    def __init__(self) -> None:
        self.answer = Answer(200)

    def host(self, label: str) -> str:
        return f"{label}.preview.example"

    def url(self, host: str) -> str:
        return f"https://{host}"

    async def get(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return self.answer

    async def call(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return self.answer


class Harness:
    """One pull request's environment; `run` is one run of a worker."""

    def __init__(
        self,
        store: Store,
        clock: ManualClock,
        cluster: FakeCluster | None = None,
        github: FakeGitHub | None = None,
        infrastructure: InfrastructureDriver | None = None,
        **ports: Any,
    ) -> None:
        """`ports` are further ones."""
        self.store = store
        self.clock = clock
        self.github = github or FakeGitHub()
        self.registry = FakeRegistry()
        self.cluster = cluster or FakeCluster()
        self.secrets = FakeSecrets()
        self.gateway = FakeGateway()
        self.key = EnvironmentKey.preview(PULL.repository.id, PULL.number)
        self.ports = Ports(
            environments=store.environments,
            registry=self.registry,
            renderer=self.cluster,
            namespaces=self.cluster,
            workloads=self.cluster,
            data=self.cluster,
            health=self.cluster,
            services=self.cluster,
            gateway=self.gateway,
            secrets={"env": self.secrets},
            clock=clock,
            describe=describe,
            infrastructure=infrastructure,
            commits=self.github,
            **github_ports(self.github),
            **ports,
        )
        self.reconciler = EnvironmentHandler(self.ports, Policy())

    def pull(self, **changed: object) -> None:
        """What GitHub shows from now on."""
        self.github.pull = replace(PULL, **changed)  # type: ignore[arg-type]  # fields of a pull request

    async def hint(self) -> None:
        """Records a hint about the pull request."""
        await self.store.deliveries.apply_hints(
            [PullRequestHint(PULL.repository, PULL.number, None, open=None)]
        )

    async def run(self) -> None:
        """Records a hint and runs the reconcile once."""
        await self.hint()
        await self.again()

    async def again(self) -> None:
        """Runs the reconcile once, without a hint."""
        self.clock.advance(20)
        claims = await self.store.queue.claim("test", 1, 60)
        for claim in claims:
            await self.store.queue.finish(claim, await self.reconciler(claim))

    async def override(self, **changed: object) -> None:
        """Applies a command and runs the reconcile once."""
        await self.store.environments.update_overrides(
            self.key,
            lambda before: replace(before, **changed),  # type: ignore[arg-type]  # fields of overrides
            "a command",
            by="ada",
        )
        await self.again()

    async def environment(self) -> Environment:
        environment = await self.store.environments.get(self.key)
        assert environment is not None
        return environment

    async def status(self) -> Status:
        return (await self.environment()).status

    async def journal(self) -> list[tuple[str, str]]:
        """All decisions so far, the oldest first."""
        decisions = await self.store.journal.decisions(self.key)
        return [(decision.action, decision.reason) for decision in reversed(decisions)]
