"""Protocols of the clients and stores that the reconcile of an environment uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bot.model.ci import Ci
from bot.model.data import DataRecord, Rehearsal
from bot.model.delivery import RemovalNotice
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Decision, Environment, EnvironmentKey, Status
from bot.model.manifest import (
    Answer,
    Bundle,
    FilledBundle,
    Manifest,
    NamespaceView,
    ObjectState,
    RenderRequest,
    RunningContainer,
    ServiceState,
)
from bot.model.pull_request import PullRequest
from bot.model.quota import NO_CAPS, Caps, QueuePosition
from bot.model.release import CheckedRelease
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.size import Size
from bot.model.work import Claim

Fence = Callable[[], Awaitable[None]]
"""Called before every outward write; raises Superseded unless claim and generation are current."""

SaveReceipt = Callable[[str], Awaitable[None]]
"""Stores the reporter's receipt under the fence; raises Superseded like Fence."""


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, in UTC with time zone."""


class PullRequestReader(Protocol):
    """Raises Unavailable when GitHub does not answer or is rate limited, Rejected when it refuses."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        """None if GitHub confirms that it does not exist (404 in a visible repository)."""

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        """Old and new paths; empty when there are more than GitHub lists."""


class ContentReader(Protocol):
    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        """The file's text on the default branch; None when there is none."""

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        """The files of these files and folders of the commit, perhaps with others, behind links as well.

        Reading one that cannot be used raises ManifestRefused. Raises Rejected above the limits of a folder.
        """


class CheckReader(Protocol):
    async def ci(self, repository: Repository, commit: str) -> Ci: ...


class CollaboratorReader(Protocol):
    async def role(self, repository: Repository, login: str) -> Role:
        """NONE if the user is not a collaborator."""


class InstallationReader(Protocol):
    async def access_lost(self, repository: Repository) -> bool:
        """Whether GitHub's answers show that the App can no longer see the repository."""


class DeploymentWriter(Protocol):
    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        """Sets our Deployments of the environment to inactive; returns how many were active."""


class RepositoryReader(Protocol):
    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as it was named last."""


class MergeGroupReporter(Protocol):
    async def report_merge_group(
        self, repository: Repository, commit: str, checks: Sequence[str], fence: Fence
    ) -> None:
        """Creates the completed check runs of previews on a merge group's commit; idempotent."""


class StatusReporter(Protocol):
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
        """Updates check runs, Deployment and comment to `status`; writes nothing when they are up to date.

        `deferrable`: the status is about to change, so it raises Unavailable rather than delay other writes.
        """


class ImageResolver(Protocol):
    async def resolve(self, image: str, tag: str) -> str | None:
        """The digest behind a tag; None while there is no such manifest.

        Raises Unavailable while the registry does not answer or denies access, Rejected for a name or address
        that is never allowed.
        """

    async def digests(self, image: str, digest: str) -> Collection[str]:
        """All digests by which a node may name an image: its own, its platforms', and their configurations'.

        Raises Unavailable and Rejected like `resolve`.
        """

    async def exists(self, reference: str) -> bool:
        """Whether the registry has the image now. Raises Unavailable and Rejected like `resolve`."""


class Renderer(Protocol):
    async def render(self, request: RenderRequest) -> Bundle:
        """Reads, guards and transforms the manifests without access to a cluster. Raises ManifestRefused."""


class NamespaceManager(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses an object."""

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        """The namespace's state from the point of view of the environment."""

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
        """Creates or updates the namespace with quota, limits, network policy and account.

        Rejected when a namespace of that name belongs to something else, Superseded when it was prepared
        for a newer generation.
        """

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Starts the deletion. No-op when the namespace is absent; Rejected when it is not ours."""


class WorkloadApplier(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses an object."""

    async def apply(
        self, namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        """Applies the objects of one wave, all rendered for `namespace`.

        An object whose changed fields are immutable is deleted and created again if `replaces`; otherwise,
        and always for data, raises ImmutableField.
        """

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
        """Writes the Secret that the containers of a bundle with secrets read variables from.

        `candidate` is the suffix of a candidate with a Secret of its own.
        """

    async def copy_pull_secrets(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        secrets: Sequence[str],
        fence: Fence,
    ) -> None:
        """Copies the operator's pull secrets, `NAMESPACE/NAME`. Rejected when one cannot be used."""

    async def withdraw(
        self, namespace: str, environment: EnvironmentKey, bundle: Bundle, fence: Fence, *, fork: bool
    ) -> None:
        """Deletes what earlier releases were given and the bundle is not, before it is applied.

        This is the Secret of injected values; for a fork, all that its pods could read or use.
        """

    async def stop(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Deletes routes, and what starts workloads again: autoscalers, and bare pods that run."""

    async def delete(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        """Deletes objects of the environment; without effect for absent ones."""

    async def deployed(self, namespace: str, environment: EnvironmentKey) -> Sequence[Manifest]:
        """The objects that releases of the environment applied, without what Greenroom adds."""

    async def fill(self, namespace: str, environment: EnvironmentKey, bundle: Bundle) -> FilledBundle:
        """The bundle with its generated values: those that the namespace already has are kept."""

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        """Deletes objects of earlier releases that the bundle does not contain; never volumes or data."""


class DataStore(Protocol):
    """The data of an environment. Calls raise Unavailable and Rejected like WorkloadApplier's."""

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        """The record of what was done to the namespace's data; None before the first write."""

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None: ...

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        """Starts to delete all objects that keep data; returns those that still exist."""

    async def rehearse(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> Rehearsal:
        """Applies the objects of new data as a dry run, and reads what else they need.

        Raises Rejected for an object that cannot be created.
        """

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        """Applies a Job that changes data and deletes earlier Jobs of its kind."""


class HealthReader(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses the read."""

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        """The state of each object, with reason and last log lines of what failed."""

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        """Whether pods of another release still run or terminate behind the route's Service."""

    async def running(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[RunningContainer]:
        """All running and starting containers; `objects` are those of the release."""


class ServiceReader(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses the read."""

    async def services(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ServiceState]:
        """The Services among `objects` that select pods of workloads among them."""

    async def answers(self, service: ServiceState) -> bool:
        """Whether a connection through its address succeeds; a failure proves nothing."""


class Gateway(Protocol):
    def host(self, label: str) -> str:
        """The full host name, without port, that starts with an environment's label."""

    def url(self, host: str) -> str:
        """The address that users open."""

    async def get(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request through the gateway. Never raises for a failed request."""

    async def call(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One gRPC call through the gateway, to the service or method of a route. Never raises like `get`."""


class EnvironmentStore(Protocol):
    async def claimed(self, claim: Claim) -> Environment | None:
        """The claim's environment, as read in the transaction of the claim."""

    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def check(self, claim: Claim, key: EnvironmentKey, generation: int) -> None:
        """Raises Superseded unless claim and generation are still current."""

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
        """Writes observed_generation, status, attempt and receipt of the given record, and appends the
        decisions, in one transaction; in the transaction that ends the claim if it is the `last` write.

        A record that releases its slot or position wakes the previews that can start within `caps`.
        Stores a `release` that a preview ran, and a `failure`; enqueues the stage's open promotions if it
        `wakes_promotions`.
        Raises Superseded unless the claim is held and the stored generation is `environment.generation`.
        """

    async def removal(self, repository: Repository, before: datetime) -> RemovalNotice | None:
        """The notice, received before that moment, that the App lost the repository."""

    async def admit(
        self, claim: Claim, environment: Environment, caps: Caps, *, decisions: Sequence[Decision] = ()
    ) -> QueuePosition | None:
        """Assigns a slot on the cluster and returns None, or returns the position in the queue.

        Saves the record and the decisions in the same transaction.

        The slot is kept until a record is saved whose `admission` is NONE. Raises
        Superseded like `save`.
        """
