"""What is asked of the cluster: objects in waves, and what is seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.model.environment import EnvironmentKey
from bot.model.release import Image, Release
from bot.model.repository import Repository

Manifest = Mapping[str, Any]
"""One Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The Service and port behind the environment's route."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A Job that the bot adds: migrations, a seed or a check."""

    name: str
    """Fits a DNS label of at most 40 characters."""
    image: str
    """A name from the release's images, or a full image reference."""
    command: tuple[str, ...]
    timeout_seconds: int
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Mounted into it, by their paths in the repository."""


class Tool(StrEnum):
    """What makes objects of a commit's manifests."""

    PLAIN = "plain"
    """Nothing: they are objects as they stand."""
    KUSTOMIZE = "kustomize"
    HELM = "helm"


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """All that decides the objects of an environment: the same request renders the same bytes."""

    environment: EnvironmentKey
    repository: Repository
    namespace: str
    commit: str
    images: Mapping[str, Image]
    files: Mapping[str, bytes]
    """The commit's files by path relative to the repository's root."""
    directory: str
    """Where the plain manifests, the kustomization or the chart are, relative to the root."""
    backend: Backend | None
    host: str
    """The environment's host name without port; "" without a route."""
    tool: Tool = Tool.PLAIN
    values: tuple[str, ...] = ()
    """Paths of Helm's values files, relative to the root; a later one wins."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Injected into every container as environment variables."""
    secrets: str = ""
    """Digest of the secrets that are injected likewise; "" without. Their values are not rendered."""
    migrations: JobRequest | None = None
    seed: JobRequest | None = None
    resets: str = ""
    """Another text for data that were begun anew: pods start again with them; the release stays the same."""
    checks: tuple[JobRequest, ...] = ()
    refreshes: int = 0
    """Raised when what serves is to be started anew and checked again, though nothing else changed."""
    asleep: bool = False
    """Nothing is to run; data and configuration stay."""
    fork: bool = False
    """The commit comes from a fork: it gets no accounts of the cluster, and may have a domain of its own."""
    serial: int = 0
    """Of a stage's target: another one has its checks run anew, whatever passed before."""


class Wave(StrEnum):
    """Applied in this order; each is ready before the next one is applied."""

    CONFIGURATION = "configuration"
    """ConfigMaps, Secrets, ServiceAccounts, Roles, NetworkPolicies."""
    DATA = "data"
    """Volumes, what keeps data on them, and the Services in front of that."""
    MIGRATIONS = "migrations"
    """One Job, run once for each content."""
    SEED = "seed"
    """Likewise."""
    WORKLOADS = "workloads"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a release is on the cluster."""

    release: Release
    waves: Mapping[Wave, tuple[Manifest, ...]]
    checks: Mapping[str, Manifest] = field(default_factory=dict)
    """Check name to its Job; applied one by one when the release is live."""
    left_out: tuple[str, ...] = ()
    """Objects that the manifests have and a fork does not get, such as `ServiceAccount/shop`."""
    secrets: bool = False
    """Whether its containers need the Secret of injected values."""
    digests: Mapping[Wave, str] = field(default_factory=dict)
    """Digest of each wave's objects: equal means that nothing has to be applied again."""
    manifests_digest: str = ""
    """Of the manifests before they became this environment's: equal wherever the release runs."""


class Condition(StrEnum):
    PROGRESSING = "progressing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One applied object as the cluster shows it."""

    kind: str
    name: str
    condition: Condition
    message: str = ""
    """One sentence: what it waits for, or why it failed."""
    detail: str = ""
    """The failing container's last log lines, or the event; plain text."""


class NamespaceState(StrEnum):
    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """It exists without our label, or for another environment: never touched."""
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class NamespaceView:
    state: NamespaceState
    blockers: str = ""
    """What keeps a terminating namespace: finalizers or an API service, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class OwnedNamespace:
    """A namespace that carries our label, with what its annotations say."""

    name: str
    environment: EnvironmentKey
    repository: Repository
    terminating: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int | None
    """None when no answer came; `error` says why."""
    release_id: str | None = None
    """The release that the route says it carries."""
    error: str = ""
    body: str = ""
    """The first characters of the body, for a failing check."""


RELEASE_HEADER = "Greenroom-Release"
"""Response header that the route adds: which release's route answered."""
