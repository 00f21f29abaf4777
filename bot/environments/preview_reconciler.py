"""Brings one preview from its observed to its desired state, from any starting point."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments import expiry, transitions
from bot.environments.context import ReconcileContext
from bot.environments.desired_state import (
    REMOVAL_GRACE_PERIOD,
    Absent,
    DesiredState,
    after_configuration,
    before_configuration,
    needs_paths,
    without_pull_request,
)
from bot.environments.outcome import Failed
from bot.environments.phase_runner import PhaseRunner
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.environments.reasons import (
    AttemptStarted,
    BaseChanged,
    EnvironmentReason,
    Expiring,
    HeadChanged,
    LabelsChanged,
    PlainReason,
)
from bot.environments.sleep_reasons import Waking
from bot.environments.teardown import teardown
from bot.environments.waiting import RETRY_CONFIGURATION, pull_request_pause
from bot.model.environment import RUNNING, Attempt, EndReason, EnvironmentState, Status
from bot.model.errors import ConfigurationError, Rejected
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission
from bot.model.reason import Reported

log = structlog.get_logger()

_RESTARTED = (
    *RUNNING,
    EnvironmentState.FAILED,
    EnvironmentState.WAITING,
    EnvironmentState.ASLEEP,
)
"""States that become pending when the pull request changed."""


class PreviewReconciler:
    def __init__(self, ports: Ports, policy: Policy) -> None:
        self._ports = ports
        self._policy = policy
        self._run_phases = PhaseRunner()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        self._apply_extension(context)
        detail = ""
        try:
            unreadable = await self._read_pull_request(context)
        except Rejected as error:
            unreadable, detail = Reported(str(error)), error.detail
        if unreadable is not None:
            return await self._without_pull_request(context, unreadable, detail)
        self._apply_overrides(context)
        desired = before_configuration(
            context.pull_request,
            context.status,
            context.overrides,
            self._ports.clock(),
            author_trusted=await self._trusts_author(context),
        )
        if isinstance(desired, Absent):
            return await teardown(context, desired)
        try:
            desired = await self._read_configuration(context)
        except ConfigurationError as error:
            failed = Failed(PlainReason.CONFIGURATION_INVALID, True, str(error))
            return await self._run_phases.fail(context, failed)
        if isinstance(desired, Absent):
            again = await teardown(context, desired)
            return again or self._retry_configuration(desired)
        await self._start_attempt(context)
        return await self._run_phases(context)

    async def _without_pull_request(
        self, context: ReconcileContext, reason: EnvironmentReason, detail: str
    ) -> datetime | None:
        """GitHub responded but shows no pull request, which alone is not evidence for a deletion."""
        if context.status.state in transitions.ENDED:
            return None
        now, repository = self._ports.clock(), context.environment.repository
        notice = await self._ports.environments.removal(repository, now - REMOVAL_GRACE_PERIOD)
        if notice is not None and not await self._ports.installations.access_lost(repository):
            notice = None
        absent = without_pull_request(context.status, now, notice)
        if absent is not None:
            return await teardown(context, absent)
        cause = context.message(reason, detail)
        log.warning("pull request not visible; nothing is changed", reason=cause.summary)
        if context.status.expires_at is None and context.environment.admission is not Admission.QUEUED:
            # An environment without a readable pull request must not exist forever.
            context.update_status(replace(context.status, expires_at=now + self._policy.longest_ttl))
        if context.attempt.wait != cause:
            context.decide("unseen", reason)
        since = context.attempt.unseen_since or now
        context.update_attempt(replace(context.attempt, wait=cause, unseen_since=since))
        return now + pull_request_pause(now - since)

    async def _read_pull_request(self, context: ReconcileContext) -> EnvironmentReason | None:
        """Reads it once for each generation; a relevant change starts a new attempt.

        Returns the reason why it could not be read.
        """
        environment, before = context.environment, context.attempt.pull_request
        if before is not None and environment.observed_generation == environment.generation:
            return None
        pull = await self._ports.pull_requests.pull_request(environment.repository, int(environment.key.name))
        if pull is None:
            return PlainReason.PULL_REQUEST_NOT_VISIBLE
        context.github_was_read = True
        context.environment = replace(
            environment, observed_generation=environment.generation, repository=pull.repository
        )
        if before is not None and not _differs(before, pull):
            context.update_attempt(replace(context.attempt, pull_request=pull, wait=None, unseen_since=None))
            return None
        attempt = context.attempt
        context.update_attempt(
            Attempt(pull_request=pull, configuration=attempt.configuration, overrides=attempt.overrides)
        )
        if context.status.state in _RESTARTED:
            context.update_status(transitions.pending(context.status))
        for action, reason in _changes(before, pull) if before is not None else ():
            context.decide(action, reason)
        # The store compares later deliveries with what was read: a hint that differs raises the generation.
        await context.save()
        return None

    def _apply_overrides(self, context: ReconcileContext) -> None:
        """Starts a new attempt after a command that repeats, stops or continues the deployment."""
        before, now, head = context.attempt.overrides, context.overrides, context.commit
        if before.refreshes != now.refreshes:
            self._repeat_attempt(context)
            context.update_status(replace(expiry.clear(context.status), commit=None))
        elif before.sleeps_at(head) != now.sleeps_at(head) and context.status.end is None:
            self._repeat_attempt(context)
            if now.sleeps_at(head):
                context.update_status(replace(context.status, commit=head, phases={}))
                context.fall_asleep(context.status.url)
            else:
                context.update_attempt(replace(context.attempt, woken=True))
                context.update_status(transitions.woken(context.status, head))
                context.decide("waking", Waking())
            context.mark_report_due()
        context.update_attempt(replace(context.attempt, overrides=now))

    def _repeat_attempt(self, context: ReconcileContext) -> None:
        """The same bytes again: tags may have moved, digests do not."""
        attempt = context.attempt
        context.update_attempt(
            Attempt(
                pull_request=context.pull_request,
                images=attempt.images,
                author_trusted=attempt.author_trusted,
            )
        )

    async def _trusts_author(self, context: ReconcileContext) -> bool:
        """Whether the author of a fork's pull request may write to this repository, and owns the fork."""
        pull = context.pull_request
        if not pull.from_fork or not pull.head_owner or pull.head_owner.lower() != pull.author.lower():
            return False
        if context.attempt.author_trusted is None:
            try:
                role = await self._ports.collaborators.role(pull.repository, pull.author)
            except Rejected as error:
                log.warning("role of the author not readable", reason=str(error))
                return False
            context.update_attempt(replace(context.attempt, author_trusted=role.may_write))
        return bool(context.attempt.author_trusted)

    def _apply_extension(self, context: ReconcileContext) -> None:
        before = context.status
        status = expiry.apply_extension(before, context.overrides, self._ports.clock())
        context.update_status(status)
        if status.expiring and not before.expiring and status.expires_at is not None:
            context.decide("expiring", Expiring(status.expires_at))

    async def _read_configuration(self, context: ReconcileContext) -> DesiredState:
        """Reads it once for each generation; another text starts a new attempt."""
        before = text = context.attempt.configuration
        pull, generation = context.pull_request, context.environment.generation
        unread = text is None or context.attempt.configuration_generation < generation
        if unread:
            text = await self._ports.contents.default_branch_file(pull.repository, CONFIG_FILE)
        if text is None:
            return Absent(EndReason.UNCONFIGURED, PlainReason.CONFIGURATION_MISSING)
        context.configuration = parse_configuration(text, self._policy.largest_size)
        paths = None
        if unread and needs_paths(context.configuration):
            paths = await self._ports.pull_requests.changed_paths(pull.repository, pull.number)
        # In a thread: up to 3000 paths and 50 patterns.
        desired = await asyncio.to_thread(after_configuration, pull, context.configuration, paths)
        if isinstance(desired, Absent):
            context.update_attempt(replace(context.attempt, configuration=text))
        elif unread:
            if before is not None and before != text:
                self._restart_attempt(context)
            attempt = replace(context.attempt, configuration=text, configuration_generation=generation)
            context.update_attempt(attempt)
        return desired

    def _restart_attempt(self, context: ReconcileContext) -> None:
        """The same head is deployed again, and results of the previous attempt do not count."""
        attempt = context.attempt
        context.update_attempt(
            Attempt(
                pull_request=context.pull_request,
                overrides=attempt.overrides,
                author_trusted=attempt.author_trusted,
            )
        )
        context.update_status(replace(expiry.clear(context.status), commit=None))
        context.decide("changed", PlainReason.CONFIGURATION_CHANGED)

    async def _start_attempt(self, context: ReconcileContext) -> None:
        """Reports at once, before all phases, that this head is being deployed."""
        head, status = context.pull_request.head_sha, context.status
        started = status.commit == head and status.end is None
        queued = context.environment.admission is Admission.QUEUED  # the expiry timer has not started
        if started and (queued or status.expires_at is not None):
            return
        context.update_status(Status(EnvironmentState.PENDING, commit=head, live_commit=status.live_commit))
        context.start_expiry()
        if context.asleep:
            context.fall_asleep(status.url)
        else:
            context.decide("opened" if status.live_commit is None else "updating", AttemptStarted(head))
        context.mark_report_due()

    def _retry_configuration(self, absent: Absent) -> datetime | None:
        return self._ports.clock() + RETRY_CONFIGURATION if absent.end is EndReason.UNCONFIGURED else None


def _differs(before: PullRequest, now: PullRequest) -> bool:
    """Whether the desired state may differ; a new title changes nothing."""
    return (
        (before.head_sha, before.open, before.merged, before.draft, before.labels, before.base_ref)
        != (now.head_sha, now.open, now.merged, now.draft, now.labels, now.base_ref)
    ) or (before.from_fork, before.archived) != (now.from_fork, now.archived)


def _changes(before: PullRequest, now: PullRequest) -> list[tuple[str, EnvironmentReason]]:
    """Action and reason of each change since the last read. The teardown records the end."""
    if before.head_sha != now.head_sha:
        return [("superseded", HeadChanged(before.head_sha, now.head_sha))]
    changes: list[tuple[str, EnvironmentReason]] = []
    if now.open and not before.open:
        changes.append(("reopened", PlainReason.PULL_REQUEST_REOPENED))
    if before.draft != now.draft:
        draft = PlainReason.CONVERTED_TO_DRAFT if now.draft else PlainReason.READY_FOR_REVIEW
        changes.append(("changed", draft))
    if before.labels != now.labels:
        changes.append(("changed", LabelsChanged(tuple(now.labels))))
    if before.base_ref != now.base_ref:
        changes.append(("changed", BaseChanged(now.base_ref)))
    return changes
