"""One reconcile of one environment: what it has read so far, and fenced writing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bot.config.schema import Configuration, Data, OnPush, Preview
from bot.config.stages import Stage
from bot.environments import expiry as deadline
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
    NoPromotionHooks,
    PromotionHooks,
    PullRequestReader,
    Renderer,
    SecretProvider,
    StatusReporter,
    WorkloadApplier,
)
from bot.environments.secrets import InjectedSecrets
from bot.environments.telemetry import NoTelemetry, Telemetry
from bot.model.environment import (
    Attempt,
    Decision,
    Environment,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
)
from bot.model.errors import Unavailable
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.manifest import Bundle
from bot.model.naming import host_label
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission, Caps
from bot.model.size import Size
from bot.model.work import Claim

_SIZE = Size()
_NO_CAPS = Caps()
_NO_TELEMETRY = NoTelemetry()
_NO_PROMOTION_HOOKS = NoPromotionHooks()


@dataclass(frozen=True, slots=True)
class Ports:
    """The rooms that a reconcile talks to."""

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
    gateway: Gateway
    secrets: Mapping[str, SecretProvider]
    """By the word that stands before the colon of a reference."""
    clock: Clock
    telemetry: Telemetry = _NO_TELEMETRY
    fork_gateway: Gateway | None = None
    """For the domain of forks, where they have one of their own."""
    promotions: PromotionHooks = _NO_PROMOTION_HOOKS


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided for all repositories."""

    default_ttl: timedelta = timedelta(days=3)
    longest_ttl: timedelta = timedelta(days=14)
    caps: Caps = _NO_CAPS
    default_size: Size = _SIZE
    largest_size: Size = _SIZE
    fork_size: Size = _SIZE
    """The most that a fork gets, whatever its configuration says."""
    hosts: HostGrants = NO_HOSTS
    """Which stages may have a host of their own."""
    digest_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """With it the digest of secrets tells whether they changed, and nothing else."""


class ReconcileContext:
    """Carries one claim through the phases. Every write goes through the fence of claim and generation."""

    def __init__(self, ports: Ports, policy: Policy, claim: Claim, environment: Environment) -> None:
        self.ports = ports
        self.policy = policy
        self.claim = claim
        self.environment = environment
        self.configuration: Configuration | None = None
        self.bundle: Bundle | None = None
        self.secrets = InjectedSecrets()
        self.github_was_read = False
        """Whether GitHub was read in this run: somebody told of a change, or asked to look again."""

    @property
    def status(self) -> Status:
        return self.environment.status

    @property
    def attempt(self) -> Attempt:
        return self.environment.attempt

    @property
    def asleep(self) -> bool:
        return self.environment.overrides.asleep_by is not None

    @property
    def namespace(self) -> str:
        return self.environment.namespace

    @property
    def gateway(self) -> Gateway:
        own = self.ports.fork_gateway if self.from_fork else None
        return own or self.ports.gateway

    @property
    def reset_token(self) -> str:
        """Another text for data that are begun anew; "" while they are those that came with the namespace."""
        reseeds = self.environment.overrides.reseeds
        each_push = [self.commit[:12]] if self.data_settings.on_push is OnPush.RESET else []
        return "-".join([*([str(reseeds)] if reseeds else []), *each_push])

    @property
    def host(self) -> str:
        """Where it is reached: what a fork's CI may have built, never at a stage's own host."""
        own = self.section.host if isinstance(self.section, Stage) and not self.from_fork else None
        return own or self.gateway.host(host_label(self.environment.key, self.environment.repository))

    @property
    def pull_request(self) -> PullRequest:
        assert self.attempt.pull_request is not None, "a phase runs only after the pull request was read"
        return self.attempt.pull_request

    @property
    def commit(self) -> str:
        """The commit that is wanted: the pull request's head, or that of the stage's release."""
        target, pull = self.environment.overrides.target, self.attempt.pull_request
        if target is not None:
            return target.release.commit
        return pull.head_sha if pull is not None else self.status.commit or ""

    @property
    def from_fork(self) -> bool:
        """Whether a fork may have made what runs."""
        target, pull = self.environment.overrides.target, self.attempt.pull_request
        if target is not None:
            return target.release.from_fork
        return pull is None or pull.from_fork

    @property
    def section(self) -> Preview | Stage:
        """The environment's own part of the configuration."""
        assert self.configuration is not None, "a phase runs only after the configuration was read"
        return self.configuration.section_of(self.environment.key)

    @property
    def data_settings(self) -> Data:
        """What is done to its data."""
        assert self.configuration is not None, "a phase runs only after the configuration was read"
        return self.configuration.data_of(self.environment.key)

    @property
    def seeds_once(self) -> bool:
        """A demo keeps what was shown in it, whichever release it moves to."""
        return self.environment.key.kind is EnvironmentKind.DEMO

    @property
    def size(self) -> Size:
        """What the configuration asks for; the operator's default where it says nothing."""
        size = self.section.size.override(self.policy.default_size)
        return size.within(self.policy.fork_size) if self.from_fork else size

    def start_expiry(self) -> None:
        """Its time to live begins now."""
        assert self.configuration is not None, "a phase runs only after the configuration was read"
        time_to_live = min(self.configuration.preview.ttl or self.policy.default_ttl, self.policy.longest_ttl)
        now = self.ports.clock()
        begun = deadline.start(self.status, now, time_to_live)
        status = deadline.apply_extension(begun, self.environment.overrides, now)
        self.environment = replace(self.environment, status=status)

    async def fence(self) -> None:
        await self.ports.environments.check(self.claim, self.environment.key, self.environment.generation)

    def set(self, **status: Any) -> None:
        """Changes the status in memory, without secrets in it; `save` or `report` makes it last."""
        changed = _hide_secrets(replace(self.status, **status), self.secrets)
        self.environment = replace(self.environment, status=changed)

    def add_note(self, sentence: str) -> None:
        """Something else that a person should know of how it runs."""
        self.set(notes=(*self.status.notes, sentence))

    def remember(self, **attempt: Any) -> None:
        """Changes the attempt in memory; `save` or `report` makes it last."""
        self.environment = replace(self.environment, attempt=replace(self.attempt, **attempt))

    async def save(self, *decisions: tuple[str, str]) -> None:
        """Stores the record, and each decision (what, why), in one transaction."""
        now = self.ports.clock()
        self.environment = replace(
            self.environment, updated_at=now, admission=_next_admission(self.environment)
        )
        journal: Sequence[Decision] = [
            Decision(self.environment.key, now, what, why) for what, why in decisions
        ]
        await self.ports.environments.save(self.claim, self.environment, decisions=journal)

    async def report(self) -> None:
        """Makes GitHub say what the status says. Nothing is sent when it does already.

        Of a stage its promotion tells; it is woken. Nobody can be told on a pull request that was never seen.
        """
        if self.environment.key.kind is not EnvironmentKind.PREVIEW:
            await self.ports.promotions.wake(self.environment.key)
            return
        if self.attempt.pull_request is None:
            return
        await self.ports.reporter.report(
            self.environment, self.pull_request, self.status, self.fence, self._save_receipt
        )

    async def report_progress(self, *, news: bool) -> datetime | None:
        """Reports what will soon be something else, and holds up nothing else that is told by it.

        Returns when to try again, where there was no room for it.
        """
        if self.environment.key.kind is not EnvironmentKind.PREVIEW:
            if news:
                await self.ports.promotions.wake(self.environment.key)
            return None
        try:
            await self.ports.reporter.report(
                self.environment,
                self.pull_request,
                self.status,
                self.fence,
                self._save_receipt,
                deferrable=True,
            )
        except Unavailable as error:
            return error.retry_at
        return None

    async def _save_receipt(self, receipt: str) -> None:
        self.environment = replace(self.environment, receipt=receipt)
        await self.save()

    def start_phase(self, phase: Phase) -> PhaseRecord:
        record = self.status.phases.get(phase)
        if record is None:
            record = PhaseRecord(self.ports.clock())
            self.set(phase=phase, phases={**self.status.phases, phase: record})
        elif record.finished_at is None:
            self.set(phase=phase)
        return record

    def waiting_since(self, phase: Phase) -> datetime:
        """When the wait for a phase began: with the phase, or with the trouble after it was gone through."""
        record = self.status.phases[phase]
        if record.finished_at is None:
            return record.started_at
        return self.attempt.unstable_since or self.ports.clock()

    def restart_phase(self, phase: Phase) -> None:
        """This phase and those after it are gone through anew."""
        earlier = list(Phase)[: list(Phase).index(phase)]
        records = {each: record for each, record in self.status.phases.items() if each in earlier}
        self.set(phases={**records, phase: PhaseRecord(self.ports.clock())}, phase=phase)

    async def finish_phase(self, phase: Phase) -> None:
        record = self.status.phases[phase]
        if record.finished_at is None:
            done = replace(record, finished_at=self.ports.clock())
            self.set(phases={**self.status.phases, phase: done})
            self.remember(wait=None)
            await self.save()
            self.ports.telemetry.phase(phase.value, done.seconds or 0.0)


def _next_admission(environment: Environment) -> Admission:
    """A place is kept until nothing of it is left; one in the queue while it could start at once."""
    admission, state = environment.admission, environment.status.state
    if state in (EnvironmentState.GONE, EnvironmentState.REFUSED):
        return Admission.NONE
    unprepared = admission is Admission.QUEUED and environment.attempt.release is None
    return Admission.NONE if unprepared else admission


def _hide_secrets(status: Status, secrets: InjectedSecrets) -> Status:
    """Logs and answers are quoted in the status, and a program may tell there what it was given."""
    if not secrets.values:
        return status
    hide, cause = secrets.hide, status.cause
    if cause is not None:
        cause = replace(cause, summary=hide(cause.summary), detail=hide(cause.detail))
    checks = tuple(
        replace(check, summary=hide(check.summary), detail=hide(check.detail)) for check in status.checks
    )
    return replace(status, cause=cause, checks=checks)
