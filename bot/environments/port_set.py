"""The clients and stores of one cluster's environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bot.environments.diagnostics import DiagnosticsReader
from bot.environments.infrastructure.ports import HeadReader, InfrastructureDriver, ModuleReader
from bot.environments.ports import (
    CheckReader,
    Clock,
    CollaboratorReader,
    ContentReader,
    DataStore,
    DeploymentWriter,
    EnvironmentStore,
    Gateway,
    HealthReader,
    ImageResolver,
    InstallationReader,
    NamespaceManager,
    PullRequestReader,
    Renderer,
    ServiceReader,
    StatusReporter,
    WorkloadApplier,
)
from bot.environments.reasons import Describe
from bot.environments.rollouts.ports import MetricsProviders, OrderReader, RolloutDriver
from bot.environments.secret_ports import CredentialIssuer, ExternalStores, SecretObjects, SecretProvider
from bot.environments.telemetry import NoTelemetry, Telemetry

_NO_TELEMETRY = NoTelemetry()


@dataclass(frozen=True, slots=True)
class Ports:
    """The clients and stores that a reconcile uses."""

    environments: EnvironmentStore
    pull_requests: PullRequestReader
    contents: ContentReader
    checks: CheckReader
    collaborators: CollaboratorReader
    installations: InstallationReader
    deployments: DeploymentWriter
    reporter: StatusReporter
    registry: ImageResolver
    renderer: Renderer
    namespaces: NamespaceManager
    workloads: WorkloadApplier
    data: DataStore
    health: HealthReader
    services: ServiceReader
    gateway: Gateway
    secrets: Mapping[str, SecretProvider]
    """Providers by the scheme of a reference, the part before its colon."""
    clock: Clock
    describe: Describe
    telemetry: Telemetry = _NO_TELEMETRY
    rollouts: RolloutDriver | None = None
    """None where no stage is moved progressively."""
    metrics: MetricsProviders | None = None
    """None where no stage is moved by a canary."""
    orders: OrderReader | None = None
    infrastructure: InfrastructureDriver | None = None
    commits: HeadReader | None = None
    modules: ModuleReader | None = None
    diagnostics: DiagnosticsReader | None = None
    """For what is kept of failures; None where nothing is."""
    external: ExternalStores | None = None
    """For references `eso:`."""
    credentials: CredentialIssuer | None = None
    """For references `vault-dynamic:`."""
    secret_objects: SecretObjects | None = None
    fork_gateway: Gateway | None = None
    """For the separate domain of forks, if one is configured."""


EnterCluster = Callable[[str], AbstractContextManager[Ports]]
"""Gives the ports of a cluster, "" for the default one, while a run uses it. Raises Deferred while too many
runs do."""
