"""What the reconcile of an environment asks of the other rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.model.ci import Ci
from bot.model.data import DataRecord
from bot.model.delivery import RemovalNotice
from bot.model.environment import Decision, Environment, EnvironmentKey, Status
from bot.model.manifest import Answer, Bundle, Manifest, NamespaceView, ObjectState, RenderRequest
from bot.model.pull_request import PullRequest
from bot.model.quota import Caps, QueuePosition
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.size import Size
from bot.model.work import Claim

Fence = Callable[[], Awaitable[None]]
"""Called before every write to a peer; raises Superseded when claim or generation is no longer ours."""

SaveReceipt = Callable[[str], Awaitable[None]]
"""Stores the reporter's receipt under the fence; raises Superseded like Fence."""


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, in UTC with time zone."""


class PullRequestReader(Protocol):
    """Raises Unavailable when GitHub does not answer or is rate limited, Rejected when it refuses."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        """None when GitHub says that it does not exist (404 for a repository that can be seen)."""

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        """Old and new paths; empty when there are more than GitHub lists."""


class ContentReader(Protocol):
    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        """The file's text on the default branch; None when there is none."""

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]:
        """All regular files of the commit by path; size-capped, links and `..` left out or refused."""


class CheckReader(Protocol):
    async def ci(self, repository: Repository, commit: str) -> Ci: ...


class CollaboratorReader(Protocol):
    async def role(self, repository: Repository, login: str) -> Role:
        """NONE when the user is no collaborator."""


class InstallationReader(Protocol):
    async def access_lost(self, repository: Repository) -> bool:
        """Whether GitHub's answers show that the App can no longer see the repository."""


class DeploymentWriter(Protocol):
    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        """Sets our Deployments of the environment to inactive; returns how many were active."""


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
        """The digest behind a tag; None while there is no such manifest."""


class SecretProvider(Protocol):
    """One kind of place that secrets come from: what stands before the colon of a reference names it."""

    async def read(self, path: str, repository: Repository) -> str:
        """The value behind `path`, which is the rest of the reference.

        Raises Rejected when there is none or it is not for this repository, Unavailable when the place does
        not answer; no message has a value in it.
        """


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
    ) -> None:
        """Creates or updates the namespace with quota, limits, network policy and account.

        Rejected when a namespace of that name belongs to something else, Superseded when it was prepared
        for a newer generation.
        """

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Starts the deletion. No-op when the namespace is absent; Rejected when it is not ours."""


class WorkloadApplier(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses an object."""

    async def apply(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        """Applies the objects of one wave, all rendered for `namespace`."""

    async def inject(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
        fence: Fence,
    ) -> None:
        """Writes the Secret that the containers of a bundle with secrets read variables from."""

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

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        """Applies a Job that changes data and deletes earlier Jobs of its kind."""


class HealthReader(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses the read."""

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        """The state of each object, with reason and last log lines of what failed."""

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        """Whether pods of another release still run or terminate behind the route's Service."""

    async def running(self, namespace: str) -> Sequence[str]:
        """The image references of all running and starting containers, as pods and as nodes name them."""


class PromotionHooks(Protocol):
    async def wake(self, stage: EnvironmentKey) -> None:
        """Something happened to a stage's environment: its promotions are looked at again."""

    async def keep(self, release: PromotableRelease) -> None:
        """Remembers a release that a preview ran, so that the very same can be promoted."""


class NoPromotionHooks:
    """Where nothing is promoted, nobody listens."""

    async def wake(self, stage: EnvironmentKey) -> None: ...

    async def keep(self, release: PromotableRelease) -> None: ...


class Gateway(Protocol):
    def host(self, label: str) -> str:
        """The full host name (no port) that begins with an environment's label."""

    def url(self, host: str) -> str:
        """What people click."""

    async def get(self, host: str, path: str) -> Answer:
        """One request through the gateway; never raises for what the peer does."""


class EnvironmentStore(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def check(self, claim: Claim, key: EnvironmentKey, generation: int) -> None:
        """Raises Superseded unless claim and generation are still the current ones."""

    async def save(
        self,
        claim: Claim,
        environment: Environment,
        *,
        decisions: Sequence[Decision] = (),
    ) -> None:
        """Writes observed_generation, status, attempt and receipt of the given record, and appends the
        decisions, in one transaction.

        Raises Superseded unless the claim is held and the stored generation is `environment.generation`.
        """

    async def removal(self, repository: Repository, before: datetime) -> RemovalNotice | None:
        """What a signed delivery told, before that moment, of why the App has lost the repository."""

    async def admit(self, claim: Claim, environment: Environment, caps: Caps) -> QueuePosition | None:
        """Gives it a place on the cluster, or one in the queue: then it says why.

        It is kept until a record is saved whose `admission` is NONE; that wakes the queue. Raises
        Superseded like `save`.
        """
