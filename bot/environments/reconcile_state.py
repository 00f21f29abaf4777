"""The state of one reconcile: what it has read, and what it changes in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.config.rollouts import ROLLING, RolloutPolicy
from bot.config.schema import Configuration, Data, OnPush, Preview
from bot.config.stages import Stage
from bot.environments import expiry, transitions
from bot.environments.late_state import LateState
from bot.environments.outcome import Waiting
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.environments.ports import Gateway
from bot.environments.reasons import EnvironmentReason
from bot.environments.render_request import hosts_of
from bot.environments.secrets import InjectedSecrets
from bot.environments.sleep_reasons import Asleep
from bot.environments.waiting import policy_of
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import (
    Attempt,
    Decision,
    Environment,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.manifest import CANDIDATE_HEADER, Bundle
from bot.model.pull_request import PullRequest
from bot.model.release import CheckedRelease
from bot.model.routing import Hosts
from bot.model.size import Size
from bot.model.work import Claim


class ReconcileState:
    """What one reconcile has read, and what it changes; nothing here writes."""

    def __init__(
        self,
        ports: Ports,
        policy: Policy,
        claim: Claim,
        environment: Environment,
        enter: Callable[[str], Ports],
    ) -> None:
        """`enter` gives the ports of a cluster; `ports` are those of the environment's cluster, if any."""
        self.ports = ports
        self._enter = enter
        self.policy = policy
        self.claim = claim
        self.environment = environment
        self.configuration: Configuration | None = None
        self.bundle: Bundle | None = None
        self.release_bundle: Bundle | None = None
        """While `bundle` is that of a candidate: what the stage runs in the end."""
        self.secrets = InjectedSecrets()
        self.late = LateState()
        self.github_was_read = False
        """Whether this run read the pull request: after a hint, or when a user requested it."""
        self._stored = environment
        self._decisions: list[Decision] = []
        # Stored with the next save:
        self.release: CheckedRelease | None = None
        self.failure: NamespaceDiagnostics | None = None
        self._reported = False

    @property
    def status(self) -> Status:
        return self.environment.status

    @property
    def attempt(self) -> Attempt:
        return self.environment.attempt

    @property
    def overrides(self) -> UserOverrides:
        return self.environment.overrides

    @property
    def asleep(self) -> bool:
        return self.overrides.sleeps_at(self.commit)

    @property
    def wakes_by_request(self) -> bool:
        """Whether a request for its address wakes it."""
        default = self.policy.clusters.default
        return self.policy.wakes_by_request and self.environment.cluster in ("", default)

    @property
    def is_preview(self) -> bool:
        return self.environment.key.kind is EnvironmentKind.PREVIEW

    @property
    def replaces_objects(self) -> bool:
        """Whether objects may be deleted and created again to change immutable fields."""
        target = self.overrides.target
        return target is None or target.replaces_objects

    @property
    def namespace(self) -> str:
        return self.environment.namespace

    @property
    def gateway(self) -> Gateway:
        own = self.ports.fork_gateway if self.from_fork else None
        return own or self.ports.gateway

    @property
    def reset_token(self) -> str:
        """Changes with each data reset; "" for the data that came with the namespace."""
        reseeds = [str(self.overrides.reseeds)] if self.overrides.reseeds else []
        pushes = [self.commit[:12]] if self.data_settings.on_push is OnPush.RESET else []
        return "-".join([*reseeds, *pushes])

    @property
    def hosts(self) -> Hosts:
        environment, host = self.environment, self.gateway.host
        return hosts_of(self.section, environment.key, environment.repository, host, fork=self.from_fork)

    @property
    def candidate_headers(self) -> Mapping[str, str]:
        """The header that routes requests to the candidate while `bundle` is its bundle."""
        rollout = self.attempt.rollout
        return {CANDIDATE_HEADER: rollout.token} if rollout is not None and self.release_bundle else {}

    @property
    def pull_request(self) -> PullRequest:
        assert self.attempt.pull_request is not None, "a phase runs only after the pull request was read"
        return self.attempt.pull_request

    @property
    def commit(self) -> str:
        """The desired commit: the pull request's head, or that of the stage's release."""
        target, pull = self.overrides.target, self.attempt.pull_request
        if target is not None:
            return target.release.commit
        return pull.head_sha if pull is not None else self.status.commit or ""

    @property
    def from_fork(self) -> bool:
        """Whether the build may come from a fork."""
        target, pull = self.overrides.target, self.attempt.pull_request
        if target is not None:
            return target.release.from_fork
        return pull is None or pull.from_fork

    @property
    def section(self) -> Preview | Stage:
        """The environment's own section of the configuration."""
        return self.loaded_configuration.section_of(self.environment.key)

    @property
    def section_rollout(self) -> RolloutPolicy:
        """How the environment moves to a release."""
        return self.section.rollout if isinstance(self.section, Stage) else ROLLING

    @property
    def data_settings(self) -> Data:
        return self.loaded_configuration.data_of(self.environment.key)

    @property
    def loaded_configuration(self) -> Configuration:
        assert self.configuration is not None, "the configuration phase runs first"
        return self.configuration

    @property
    def rendered(self) -> Bundle:
        assert self.bundle is not None, "the render phase runs first"
        return self.bundle

    @property
    def size(self) -> Size:
        """The configured size, completed by the operator's default."""
        size = self.section.size.override(self.policy.default_size)
        return self.policy.limited(size, self.environment.cluster, fork=self.from_fork)

    # Changes in memory

    def place(self, cluster: str) -> None:
        """Puts an environment without a namespace on a cluster, which the fence of the next write stores."""
        self.environment = replace(self.environment, cluster=cluster)
        self.ports = self._enter(cluster)

    def leave_cluster(self) -> None:
        """After its namespace was deleted: it can start on another cluster."""
        self.environment = replace(self.environment, cluster="")

    def update_status(self, status: Status) -> None:
        """Without secrets: the results of checks quote logs and responses."""
        hide = self.secrets.hide
        checks = tuple(
            replace(check, summary=hide(check.summary), detail=hide(check.detail)) for check in status.checks
        )
        changed = replace(self.environment, status=replace(status, checks=checks))
        self.environment = transitions.with_admission(changed)

    def update_attempt(self, attempt: Attempt) -> None:
        self.environment = transitions.with_admission(replace(self.environment, attempt=attempt))

    def mark_applied(self, name: str, digest: str) -> None:
        self.update_attempt(transitions.applied(self.attempt, name, digest))

    def describe(self, reason: EnvironmentReason) -> str:
        """The reason's sentence without secrets: logs and responses are quoted in it."""
        return self.secrets.hide(self.ports.describe(reason))

    def message(
        self, reason: EnvironmentReason, detail: str = "", until: datetime | None = None
    ) -> StatusMessage:
        return StatusMessage(self.describe(reason), self.secrets.hide(detail), until)

    def add_note(self, reason: EnvironmentReason) -> None:
        self.update_status(replace(self.status, notes=(*self.status.notes, self.describe(reason))))

    def decide(self, action: str, reason: EnvironmentReason, detail: str = "") -> None:
        """Adds an entry to the decision log."""
        summary = f"{self.describe(reason)} {detail}".rstrip()
        self._decisions.append(Decision(self.environment.key, self.ports.clock(), action, summary))

    def start_expiry(self) -> None:
        """Starts the time to live now."""
        configured = self.loaded_configuration.preview.ttl
        time_to_live = min(configured or self.policy.default_ttl, self.policy.longest_ttl)
        now = self.ports.clock()
        started = expiry.start(self.status, now, time_to_live)
        self.update_status(expiry.apply_extension(started, self.overrides, now))

    def fall_asleep(self, url: str | None) -> None:
        """Shows the environment as asleep; `url` is its address."""
        assert self.overrides.sleep is not None, "it sleeps"
        wakes = self.wakes_by_request and url is not None
        reason = Asleep(self.overrides.sleep, wakes)
        if self.status.state is not EnvironmentState.ASLEEP:
            self.decide("asleep", reason)
        self.update_status(transitions.asleep(self.status, self.message(reason), url if wakes else None))

    def finish_phase(self, phase: Phase) -> None:
        if self.status.phases[phase].finished_at is None:
            if self.status.state is EnvironmentState.WAITING:
                # The wait is over: its sentence must not be shown any longer.
                self.update_status(transitions.pending(self.status))
                self.mark_report_due()
            self.update_status(transitions.phase_finished(self.status, phase, self.ports.clock()))
            self.update_attempt(replace(self.attempt, wait=None))
            self.ports.telemetry.phase(phase.value, self.status.phases[phase].seconds or 0.0)

    def waiting_since(self, phase: Phase) -> datetime:
        """When the wait started: with the phase, or when a finished phase became unstable."""
        record = self.status.phases[phase]
        if record.finished_at is None:
            return record.started_at
        return self.attempt.unstable_since or self.ports.clock()

    def wait(
        self,
        phase: Phase,
        reason: EnvironmentReason,
        detail: str = "",
        *,
        pause: timedelta | None = None,
        shortest: timedelta = timedelta(),
        extra: timedelta = timedelta(),
        blocked: bool = False,
    ) -> Waiting:
        """The outcome of a phase that waits, `extra` longer than its limit."""
        now, since, policy = self.ports.clock(), self.waiting_since(phase), policy_of(phase)
        again = now + (max(policy.pause(now - since), shortest) if pause is None else pause)
        return Waiting(reason, again, since + policy.limit + extra, detail, blocked)

    def mark_report_due(self, due: bool = True) -> None:
        if self.attempt.report_due is not due:
            self.update_attempt(replace(self.attempt, report_due=due))
