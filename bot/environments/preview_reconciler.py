"""Brings one preview from what is observed to what is desired, from any starting point."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.config.configuration import CONFIG_FILE, parse_configuration
from bot.environments import desired_state as desire
from bot.environments import expiry as deadline
from bot.environments.context import Policy, Ports, ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.phase_runner import PhaseRunner, asleep
from bot.environments.teardown import teardown
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status, StatusMessage
from bot.model.errors import ConfigurationError, Rejected
from bot.model.outcome import Failed
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission

log = structlog.get_logger()

_CONFIGURATION_AGAIN = timedelta(minutes=5)
"""How soon a configuration that was missing or wrong is read again."""
_UNSEEN_AGAIN = timedelta(minutes=10)
"""How soon to ask again for a pull request that GitHub did not show."""
_UNSEEN = StatusMessage("GitHub does not show the pull request, which is no evidence: nothing is changed.")
_UNUSABLE = (
    "`.greenroom.yml` on the default branch cannot be used. Mend it there, and the preview goes on by itself."
)


class Reconciler:
    def __init__(self, peers: Ports, policy: Policy) -> None:
        self._peers = peers
        self._policy = policy
        self._walk = PhaseRunner()

    async def __call__(self, run: ReconcileContext) -> datetime | None:
        """Runs as far as it can; returns when to run again unless woken before, None when settled."""
        await self._mind_deadline(run)
        try:
            refusal = await self._read_pull_request(run)
        except Rejected as error:
            refusal = StatusMessage(str(error), error.detail)
        if refusal is not None:
            return await self._unseen(run, refusal)
        await self._follow_wishes(run)
        wanted = desire.before_reading(
            run.pull,
            run.status,
            run.environment.overrides,
            self._peers.clock(),
            author_trusted=await self._trusts_author(run),
        )
        if isinstance(wanted, Absent):
            return await teardown(run, wanted)
        try:
            wanted = await self._read_configuration(run)
        except ConfigurationError as error:
            return await self._walk.fail(run, Failed(_UNUSABLE, True, str(error)))
        if isinstance(wanted, Absent):
            again = await teardown(run, wanted)
            return again or self._configuration_again(wanted)
        await self._begin(run)
        return await self._walk(run)

    async def _unseen(self, run: ReconcileContext, refusal: StatusMessage) -> datetime | None:
        """GitHub answered, but shows no pull request: that alone is no evidence."""
        now = self._peers.clock()
        if run.status.state in (EnvironmentState.GONE, EnvironmentState.REFUSED):
            return None  # when it can be seen again, somebody will tell
        repository = run.environment.repository
        lost = await self._peers.environments.removal(repository, now - desire.GRACE)
        if lost is not None and not await self._peers.github.lost(repository):
            lost = None
        unwanted = desire.unseen(run.status, now, lost)
        if unwanted is not None:
            return await teardown(run, unwanted)
        log.warning("the pull request is not shown by GitHub; nothing is changed", reason=refusal.summary)
        if run.status.expires_at is None and run.environment.admission is not Admission.QUEUED:
            # What nobody can look up shall not stay for ever.
            run.set(expires_at=now + self._policy.longest_ttl)
        news = run.attempt.wait != refusal
        run.remember(wait=refusal)
        await run.save(*([("unseen", refusal.summary)] * news))
        return now + _UNSEEN_AGAIN

    async def _read_pull_request(self, run: ReconcileContext) -> StatusMessage | None:
        """Reads GitHub when a hint came since; starts a new attempt when what is wanted changed.

        Gives a cause when GitHub does not show it.
        """
        environment = run.environment
        before = run.attempt.pull_request
        if before is not None and environment.observed_generation == environment.generation:
            return None
        pull = await self._peers.github.pull_request(environment.repository, int(environment.key.name))
        if pull is None:
            return _UNSEEN
        run.asked = True
        run.environment = replace(
            environment, observed_generation=environment.generation, repository=pull.repository
        )
        if before is None or _differs(before, pull):
            anew = Attempt(
                pull_request=pull, configuration=run.attempt.configuration, overrides=run.attempt.overrides
            )
            run.environment = replace(run.environment, attempt=anew)
            story = _story(before, pull) if before else []
            if run.status.state in (
                EnvironmentState.READY,
                EnvironmentState.FAILED,
                EnvironmentState.WAITING,
                EnvironmentState.ASLEEP,
            ):
                run.set(state=EnvironmentState.PENDING, cause=None, phase=None)
            await run.save(*story)
        else:
            run.remember(pull_request=pull, wait=None)
            await run.save()
        return None

    async def _follow_wishes(self, run: ReconcileContext) -> None:
        """What was asked for by command since the attempt began."""
        before, now = run.attempt.overrides, run.environment.overrides
        if (before.refreshes, before.asleep_by is None) != (now.refreshes, now.asleep_by is None):
            # The same bytes once more: tags may have moved, digests do not.
            anew = Attempt(
                pull_request=run.pull,
                images=run.attempt.images,
                author_trusted=run.attempt.author_trusted,
            )
            run.environment = replace(run.environment, attempt=anew)
            run.environment = replace(run.environment, status=deadline.clear(run.status))
            run.set(commit=None)
        run.remember(overrides=now)

    async def _trusts_author(self, run: ReconcileContext) -> bool:
        """Whether the commits of a fork's pull request come from somebody who may write here anyway."""
        pull = run.pull
        if not pull.from_fork or not pull.head_owner or pull.head_owner.lower() != pull.author.lower():
            return False
        if run.attempt.author_trusted is None:
            try:
                role = await self._peers.github.role(pull.repository, pull.author)
            except Rejected as error:
                log.warning("the author's rights cannot be read", reason=str(error))
                return False
            run.remember(author_trusted=role.may_write)
        return bool(run.attempt.author_trusted)

    async def _mind_deadline(self, run: ReconcileContext) -> None:
        minded = deadline.apply_extension(run.status, run.environment.overrides, self._peers.clock())
        if minded != run.status:
            warns = minded.expiring and not run.status.expiring
            run.environment = replace(run.environment, status=minded)
            await run.save(
                *([("expiring", f"Its time is up at {minded.expires_at:%Y-%m-%d %H:%M} UTC.")] * warns)
            )

    async def _read_configuration(self, run: ReconcileContext) -> desire.Desire:
        """Reads it once for each generation; another text than before is another desire."""
        before = text = run.attempt.configuration
        unread = text is None or run.attempt.configuration_generation < run.environment.generation
        if unread:
            text = await self._peers.github.default_branch_file(run.pull.repository, CONFIG_FILE)
        if text is None:
            return Absent(EndReason.UNCONFIGURED, StatusMessage(f"The default branch has no {CONFIG_FILE}."))
        run.configuration = parse_configuration(text, self._policy.largest_size)
        paths = None
        if unread and desire.needs_paths(run.configuration):
            paths = await self._peers.github.changed_paths(run.pull.repository, run.pull.number)
        wanted = desire.after_reading(run.pull, run.configuration, paths)
        if isinstance(wanted, Absent):
            run.remember(configuration=text)
        elif unread:
            if before is not None and before != text:
                await self._start_over(run)
            run.remember(configuration=text, configuration_generation=run.environment.generation)
        return wanted

    async def _start_over(self, run: ReconcileContext) -> None:
        """The same head is to be brought up once more, and nothing that was done for it counts."""
        anew = Attempt(
            pull_request=run.pull, overrides=run.attempt.overrides, author_trusted=run.attempt.author_trusted
        )
        run.environment = replace(run.environment, attempt=anew)
        run.set(commit=None)
        await run.save(("changed", f"{CONFIG_FILE} on the default branch is another one."))

    async def _begin(self, run: ReconcileContext) -> None:
        """Says at once, before anything else, that this head is being brought up."""
        begun = run.status.commit == run.pull.head_sha and run.status.end is None
        queued = run.environment.admission is Admission.QUEUED  # its time has not begun
        if begun and (queued or run.status.expires_at is not None):
            return
        live = run.status.live_commit
        run.set(**_fresh(run.pull.head_sha, live))
        run.begin_time()
        if run.asleep:
            run.set(state=EnvironmentState.ASLEEP, cause=asleep(run))
        story = ("opened" if live is None else "updating", f"{run.pull.head_sha[:7]} is wanted")
        await run.save(("asleep", asleep(run).summary) if run.asleep else story)
        await run.report()

    def _configuration_again(self, unwanted: Absent) -> datetime | None:
        return self._peers.clock() + _CONFIGURATION_AGAIN if unwanted.end is EndReason.UNCONFIGURED else None


def _differs(before: PullRequest, now: PullRequest) -> bool:
    """Whether what is wanted may be another thing than before; a new title changes nothing."""
    return (
        (before.head_sha, before.open, before.merged, before.draft, before.labels, before.base_ref)
        != (now.head_sha, now.open, now.merged, now.draft, now.labels, now.base_ref)
    ) or (before.from_fork, before.archived) != (now.from_fork, now.archived)


def _story(before: PullRequest, now: PullRequest) -> list[tuple[str, str]]:
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
