"""Requests to the cluster (objects in waves) and the observed states of objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.model.connection import ConnectionFailure
from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKey
from bot.model.load import Load
from bot.model.notes import Note
from bot.model.release import Image, Release
from bot.model.repository import Repository
from bot.model.routing import NO_HOSTS, NO_ROUTES, Address, Hosts, Routing
from bot.model.secret import ExternalReference
from bot.model.size import Size

Manifest = Mapping[str, Any]
"""One Kubernetes object as JSON."""
LiveObjects = Callable[[], Awaitable[Sequence[Manifest]]]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A Job that the bot adds: migrations, a seed or a check."""

    name: str
    """A DNS label of at most 40 characters."""
    image: str
    """The name of an image of the release, or a full image reference."""
    command: tuple[str, ...]
    timeout_seconds: int
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Mounted into the Job, by their paths in the repository."""


class Tool(StrEnum):
    """The tool that renders a commit's manifests."""

    PLAIN = "plain"
    """No tool: the files contain the objects."""
    KUSTOMIZE = "kustomize"
    HELM = "helm"


@dataclass(frozen=True, slots=True)
class Location:
    """The manifests in a repository and the tool that renders them; the fields are those of RenderRequest."""

    tool: Tool
    directory: str
    paths: tuple[str, ...]
    values: tuple[str, ...]
    helm_settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """All inputs of an environment's objects: the same request renders the same bytes."""

    environment: EnvironmentKey
    repository: Repository
    namespace: str
    commit: str
    images: Mapping[str, Image]
    files: Mapping[str, bytes]
    """The commit's files by path from the repository's root."""
    directory: str
    """The directory of the kustomization or the chart, from the root; "" for plain manifests."""
    routing: Routing = NO_ROUTES
    hosts: Hosts = NO_HOSTS
    """The environment's hosts without port; empty without routes."""
    tool: Tool = Tool.PLAIN
    paths: tuple[str, ...] = ()
    """Folders, files and patterns of plain manifests."""
    ignored_kinds: tuple[str, ...] = ()
    """Patterns of kinds that are left out."""
    image_names: Mapping[str, str] = field(default_factory=dict)
    """Images in the manifests that differ from the image's repository, by the image's name."""
    values: tuple[str, ...] = ()
    """Paths of Helm's values files from the root; later files override earlier ones."""
    helm_settings: Mapping[str, object] = field(default_factory=dict)
    """Values of the chart by their paths, over all values files."""
    production: Location | None = None
    """The production manifests, whose digest a release has; None if the environment runs these."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every container, with placeholders."""
    secrets: str = ""
    """Digest of the injected secrets; "" when there are none. Values are not part of the request."""
    external: Mapping[str, ExternalReference] = field(default_factory=dict)
    """Variables whose values the External Secrets Operator reads."""
    external_values: str = ""
    """Digest of these values."""
    migrations: JobRequest | None = None
    seed: JobRequest | None = None
    job_images: tuple[str, ...] = ()
    """The images of all Jobs in the configuration, those of other environments as well, as written."""
    resets: str = ""
    """Identifies the data: another value restarts pods after a reset, within the same release."""
    checks: tuple[JobRequest, ...] = ()
    refreshes: int = 0
    """Number of requests to redeploy and check the same commit."""
    asleep: bool = False
    """The environment sleeps: no pods run; data and configuration stay."""
    fork: bool = False
    """The commit comes from a fork: its pods get no ServiceAccounts, and it may have another domain."""
    serial: int = 0
    """Identifies the target of a stage: checks run again for a new one."""
    tracks: bool = False
    """Pods get the label that distinguishes them from a candidate."""
    live: LiveObjects | None = field(default=None, repr=False, compare=False)
    """Reads what earlier releases of the environment applied, for charts with `lookup`; None: nothing."""

    @property
    def of_production(self) -> RenderRequest:
        """The same request for the production manifests."""
        location = self.production
        if location is None:
            return self
        return replace(
            self,
            tool=location.tool,
            directory=location.directory,
            paths=location.paths,
            values=location.values,
            helm_settings=location.helm_settings,
            production=None,
        )


class Wave(StrEnum):
    """Groups of objects, applied in this order; each is ready before the next one is applied."""

    CONFIGURATION = "configuration"
    """ConfigMaps, Secrets, ServiceAccounts, Roles, NetworkPolicies."""
    DATA = "data"
    """Volumes, workloads that keep data on them, and their Services."""
    PRE_HOOKS = "pre-hooks"
    """Hooks of the chart, one after another; those that this deployment runs."""
    MIGRATIONS = "migrations"
    """One Job that runs once per content."""
    SEED = "seed"
    """One Job that runs once per content."""
    WORKLOADS = "workloads"
    POST_HOOKS = "post-hooks"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The objects of a release on the cluster."""

    release: Release
    waves: Mapping[Wave, tuple[Manifest, ...]]
    checks: Mapping[str, Manifest] = field(default_factory=dict)
    """The Jobs of checks by name; applied one by one when the release is live."""
    requests: Size | None = None
    """What pods and volumes request together."""
    load: Load | None = None
    """What the pods request that keep running."""
    notes: tuple[Note, ...] = ()
    """How the objects differ from the manifests."""
    secrets: bool = False
    """Whether containers use the Secret of injected values."""
    makes_secrets: bool = False
    """Whether controllers make Secrets for objects of the bundle."""
    external: str = ""
    """The Secret with the values that the External Secrets Operator reads for the environment."""
    pull_secrets: tuple[str, ...] = ()
    """The operator's Secrets, as `NAMESPACE/NAME`, with which the pods pull images."""
    digests: Mapping[Wave, str] = field(default_factory=dict)
    """Digest of each wave's objects; an unchanged wave is not applied again."""
    addresses: tuple[Address, ...] = ()
    """All ways into the environment; the first one is on its own host."""
    manifests_digest: str = ""
    """Digest of the commit's manifests, equal in all environments of the release."""
    generated: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Generated values by their placeholders in the objects; never stored."""


@dataclass(frozen=True, slots=True)
class FilledBundle:
    """A bundle with the generated values of its environment in place of the placeholders."""

    bundle: Bundle = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """The generated values that Secrets contain."""


@dataclass(frozen=True, slots=True)
class CandidateRequest:
    """What distinguishes the candidate of a rollout from the stable revision."""

    suffix: str
    """The end of the names of its objects."""
    header: tuple[str, str]
    """Name and value of the header that routes a request to it."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Pods of the stable Deployments, which the candidate's have at least."""
    step: int = 0
    """Identifies a run of the checks."""


@dataclass(frozen=True, slots=True)
class StableSide:
    """The revision that serves before a rollout."""

    exists: bool = False
    tracked: bool = False
    """Whether its pods have the label that distinguishes them from a candidate's."""
    current: bool = False
    """Whether it runs the release already."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Pods by Deployment."""

    def pods_for(self, weight: int) -> Mapping[str, int]:
        """The pods by Deployment that a candidate needs for its percent of the traffic, rounded up."""
        return {name: -(-weight * pods // 100) for name, pods in self.replicas.items()}


class Condition(StrEnum):
    PROGRESSING = "progressing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """The observed state of an applied object."""

    kind: str
    name: str
    condition: Condition
    message: str = ""
    """What the object waits for, or why it failed."""
    detail: str = ""
    """Last log lines of the failing container, or events; plain text."""
    blocked: bool = False
    """Whether it waits for something that rarely passes without help."""
    recovers_at: datetime | None = None
    """When a failing object that runs now counts as ready, unless it fails again."""
    attempts: int = 1
    """Number of pods that a Job has started one after another."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A Service in front of pods of the environment."""

    name: str
    endpoints: str
    """Identifies the ready pods behind it; "" while an EndpointSlice has none."""
    ready_at: datetime | None
    """When the newest of these pods became ready, by the clock of its node."""
    addresses: tuple[tuple[str, int], ...] = ()
    """The cluster address with each TCP port; empty for a headless Service."""


@dataclass(frozen=True, slots=True)
class RunningContainer:
    """A container that runs or starts, with the image that it has and the one that it should have."""

    pod: str
    name: str
    image: str
    """The image in the pod's specification."""
    digest: str
    """The digest that the node reports; "" until it has pulled the image."""
    expected: str
    """The image that the release gives this container; "" for a container that is not of the release."""
    track: str = ""
    """The side of a rollout to which the pod belongs; "" without one."""


class NamespaceState(StrEnum):
    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """The namespace lacks our label or belongs to another environment; it is never changed."""
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class NamespaceView:
    state: NamespaceState
    blockers: str = ""
    """Kubernetes' reasons why a terminating namespace still exists, such as finalizers."""


@dataclass(frozen=True, slots=True)
class OwnedNamespace:
    """A namespace with our label, and the values of its annotations."""

    name: str
    environment: EnvironmentKey
    repository: Repository
    terminating: bool
    generation: int = 0
    """The environment's generation when the namespace was prepared last; 0 when it is not recorded."""
    snapshot: str = ""
    """What must survive the store, as only the store reads it; "" when it is not recorded."""
    has_app: bool = True
    """Whether it carries our App's id. Earlier versions did not record the App."""
    cluster: str = DEFAULT_CLUSTER
    """The cluster on which it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's response to a request."""

    status: int | None
    """None without a response; `error` has the reason."""
    release_id: str | None = None
    """The release in the header that the route adds."""
    error: str = ""
    body: str = ""
    """The beginning of the body, for failing checks."""
    timed_out: bool = False
    """There was neither a response nor an error within the limit."""
    content_type: str = ""
    failure: ConnectionFailure | None = None
    """Why there was no connection."""


RELEASE_HEADER = "Greenroom-Release"
"""Response header that the route adds, with the id of its release."""

CANDIDATE_HEADER = "Greenroom-Candidate"
"""Request header that selects the candidate of a rollout; its value is random for each rollout."""
