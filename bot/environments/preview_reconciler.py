"""Brings one preview from what is observed to what is desired, from any starting point."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments import desired_state as desire
from bot.environments import expiry as deadline
from bot.environments.context import Policy, Ports, ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.phase_runner import PhaseRunner, asleep_message
from bot.environments.teardown import teardown
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status, StatusMessage
from bot.model.errors import ConfigurationError, Rejected
from bot.model.outcome import Failed
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission

log = structlog.get_logger()

_RETRY_CONFIGURATION = timedelta(minutes=5)
"""How soon a configuration that was missing or wrong is read again."""
_RETRY_UNSEEN = timedelta(minutes=10)
"""How soon to ask again for a pull request that GitHub did not show."""
_UNSEEN = StatusMessage("GitHub does not show the pull request, which is no evidence: nothing is changed.")
_UNUSABLE = (
    "`.greenroom.yml` on the default branch cannot be used. Mend it there, and the preview goes on by itself."
)


class PreviewReconciler:
    def __init__(self, ports: Ports, policy: Policy) -> None:
        self._ports = ports
        self._policy = policy
        self._run_phases = PhaseRunner()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        """Runs as far as it can; returns when to run again unless woken before, None when settled."""
        await self._apply_extension(context)
        try:
            refusal = await self._read_pull_request(context)
        except Rejected as error:
            refusal = StatusMessage(str(error), error.detail)
        if refusal is not None:
            return await self._without_pull_request(context, refusal)
        await self._apply_overrides(context)
        wanted = desire.before_configuration(
            context.pull_request,
            context.status,
            context.environment.overrides,
            self._ports.clock(),
            author_trusted=await self._trusts_author(context),
        )
        if isinstance(wanted, Absent):
            return await teardown(context, wanted)
        try:
            wanted = await self._read_configuration(context)
        except ConfigurationError as error:
            return await self._run_phases.fail(context, Failed(_UNUSABLE, True, str(error)))
        if isinstance(wanted, Absent):
            again = await teardown(context, wanted)
            return again or self._retry_configuration(wanted)
        await self._start_attempt(context)
        return await self._run_phases(context)

    async def _without_pull_request(
        self, context: ReconcileContext, refusal: StatusMessage
    ) -> datetime | None:
        """GitHub answered, but shows no pull request: that alone is no evidence."""
        now = self._ports.clock()
        if context.status.state in (EnvironmentState.GONE, EnvironmentState.REFUSED):
            return None  # when it can be seen again, somebody will tell
        repository = context.environment.repository
        lost = await self._ports.environments.removal(repository, now - desire.REMOVAL_GRACE_PERIOD)
        if lost is not None and not await self._ports.installations.access_lost(repository):
            lost = None
        unwanted = desire.without_pull_request(context.status, now, lost)
        if unwanted is not None:
            return await teardown(context, unwanted)
        log.warning("the pull request is not shown by GitHub; nothing is changed", reason=refusal.summary)
        if context.status.expires_at is None and context.environment.admission is not Admission.QUEUED:
            # What nobody can look up shall not stay for ever.
            context.set(expires_at=now + self._policy.longest_ttl)
        news = context.attempt.wait != refusal
        context.remember(wait=refusal)
        await context.save(*([("unseen", refusal.summary)] * news))
        return now + _RETRY_UNSEEN

    async def _read_pull_request(self, context: ReconcileContext) -> StatusMessage | None:
        """Reads GitHub when a hint came since; starts a new attempt when what is wanted changed.

        Gives a cause when GitHub does not show it.
        """
        environment = context.environment
        before = context.attempt.pull_request
        if before is not None and environment.observed_generation == environment.generation:
            return None
        pull = await self._ports.pull_requests.pull_request(environment.repository, int(environment.key.name))
        if pull is None:
            return _UNSEEN
        context.github_was_read = True
        context.environment = replace(
            environment, observed_generation=environment.generation, repository=pull.repository
        )
        if before is None or _differs(before, pull):
            anew = Attempt(
                pull_request=pull,
                configuration=context.attempt.configuration,
                overrides=context.attempt.overrides,
            )
            context.environment = replace(context.environment, attempt=anew)
            story = _changes(before, pull) if before else []
            if context.status.state in (
                EnvironmentState.READY,
                EnvironmentState.FAILED,
                EnvironmentState.WAITING,
                EnvironmentState.ASLEEP,
            ):
                context.set(state=EnvironmentState.PENDING, cause=None, phase=None)
            await context.save(*story)
        else:
            context.remember(pull_request=pull, wait=None)
            await context.save()
        return None

    async def _apply_overrides(self, context: ReconcileContext) -> None:
        """What was asked for by command since the attempt began."""
        before, now = context.attempt.overrides, context.environment.overrides
        if (before.refreshes, before.asleep_by is None) != (now.refreshes, now.asleep_by is None):
            # The same bytes once more: tags may have moved, digests do not.
            anew = Attempt(
                pull_request=context.pull_request,
                images=context.attempt.images,
                author_trusted=context.attempt.author_trusted,
            )
            context.environment = replace(context.environment, attempt=anew)
            context.environment = replace(context.environment, status=deadline.clear(context.status))
            context.set(commit=None)
        context.remember(overrides=now)

    async def _trusts_author(self, context: ReconcileContext) -> bool:
        """Whether the commits of a fork's pull request come from somebody who may write here anyway."""
        pull = context.pull_request
        if not pull.from_fork or not pull.head_owner or pull.head_owner.lower() != pull.author.lower():
            return False
        if context.attempt.author_trusted is None:
            try:
                role = await self._ports.collaborators.role(pull.repository, pull.author)
            except Rejected as error:
                log.warning("the author's rights cannot be read", reason=str(error))
                return False
            context.remember(author_trusted=role.may_write)
        return bool(context.attempt.author_trusted)

    async def _apply_extension(self, context: ReconcileContext) -> None:
        minded = deadline.apply_extension(context.status, context.environment.overrides, self._ports.clock())
        if minded != context.status:
            warns = minded.expiring and not context.status.expiring
            context.environment = replace(context.environment, status=minded)
            await context.save(
                *([("expiring", f"Its time is up at {minded.expires_at:%Y-%m-%d %H:%M} UTC.")] * warns)
            )

    async def _read_configuration(self, context: ReconcileContext) -> desire.DesiredState:
        """Reads it once for each generation; another text than before is another desire."""
        before = text = context.attempt.configuration
        unread = text is None or context.attempt.configuration_generation < context.environment.generation
        if unread:
            text = await self._ports.contents.default_branch_file(
                context.pull_request.repository, CONFIG_FILE
            )
        if text is None:
            return Absent(EndReason.UNCONFIGURED, StatusMessage(f"The default branch has no {CONFIG_FILE}."))
        context.configuration = parse_configuration(text, self._policy.largest_size)
        paths = None
        if unread and desire.needs_paths(context.configuration):
            paths = await self._ports.pull_requests.changed_paths(
                context.pull_request.repository, context.pull_request.number
            )
        wanted = desire.after_configuration(context.pull_request, context.configuration, paths)
        if isinstance(wanted, Absent):
            context.remember(configuration=text)
        elif unread:
            if before is not None and before != text:
                await self._start_over(context)
            context.remember(configuration=text, configuration_generation=context.environment.generation)
        return wanted

    async def _start_over(self, context: ReconcileContext) -> None:
        """The same head is to be brought up once more, and nothing that was done for it counts."""
        anew = Attempt(
            pull_request=context.pull_request,
            overrides=context.attempt.overrides,
            author_trusted=context.attempt.author_trusted,
        )
        context.environment = replace(context.environment, attempt=anew)
        context.set(commit=None)
        await context.save(("changed", f"{CONFIG_FILE} on the default branch is another one."))

    async def _start_attempt(self, context: ReconcileContext) -> None:
        """Says at once, before anything else, that this head is being brought up."""
        begun = context.status.commit == context.pull_request.head_sha and context.status.end is None
        queued = context.environment.admission is Admission.QUEUED  # its time has not begun
        if begun and (queued or context.status.expires_at is not None):
            return
        live = context.status.live_commit
        context.set(**_fresh(context.pull_request.head_sha, live))
        context.start_expiry()
        if context.asleep:
            context.set(state=EnvironmentState.ASLEEP, cause=asleep_message(context))
        story = ("opened" if live is None else "updating", f"{context.pull_request.head_sha[:7]} is wanted")
        await context.save(("asleep", asleep_message(context).summary) if context.asleep else story)
        await context.report()

    def _retry_configuration(self, unwanted: Absent) -> datetime | None:
        return self._ports.clock() + _RETRY_CONFIGURATION if unwanted.end is EndReason.UNCONFIGURED else None


def _differs(before: PullRequest, now: PullRequest) -> bool:
    """Whether what is wanted may be another thing than before; a new title changes nothing."""
    return (
        (before.head_sha, before.open, before.merged, before.draft, before.labels, before.base_ref)
        != (now.head_sha, now.open, now.merged, now.draft, now.labels, now.base_ref)
    ) or (before.from_fork, before.archived) != (now.from_fork, now.archived)


def _changes(before: PullRequest, now: PullRequest) -> list[tuple[str, str]]:
    """What happened to the pull request since it was read last. That it was closed, the teardown tells."""
    if before.head_sha != now.head_sha:
        return [("superseded", f"{before.head_sha[:7]} → {now.head_sha[:7]}")]
    story = []
    if now.open and not before.open:
        story.append(("reopened", "The pull request is open again."))
    if before.draft != now.draft:
        story.append(("changed", "It is a draft now." if now.draft else "It is ready for review now."))
    if before.labels != now.labels:
        story.append(("changed", f"Its labels are: {', '.join(now.labels) or 'none'}."))
    if before.base_ref != now.base_ref:
        story.append(("changed", f"It goes into {now.base_ref} now."))
    return story


def _fresh(commit: str, live: str | None) -> dict[str, object]:
    """The status fields of a new attempt; what still runs of the one before stays told as such."""
    blank = Status(EnvironmentState.PENDING, commit=commit, live_commit=live)
    return {name: getattr(blank, name) for name in Status.__dataclass_fields__}
