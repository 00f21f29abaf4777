"""Brings one environment from what is observed to what is desired, from any starting point."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from bot.environments import checks, data, deadline, desire, preparation, rollout
from bot.environments.admission import enter
from bot.environments.configuration import PATH, parse_configuration
from bot.environments.desire import Unwanted
from bot.environments.run import Peers, Policy, Run
from bot.environments.secrets import Injection
from bot.environments.teardown import teardown
from bot.model.environment import Attempt, Cause, End, EnvironmentKey, EnvironmentState, Phase, Status
from bot.model.errors import ConfigurationError, Rejected, TryAgain
from bot.model.manifest import Bundle
from bot.model.outcome import Failed, Outcome, Waiting
from bot.model.places import Admission
from bot.model.pull_request import PullRequest
from bot.model.work import Claim

log = structlog.get_logger()

Step = Callable[[Run], Awaitable[Outcome]]

PHASES: dict[Phase, Step] = {
    Phase.CONFIGURATION: preparation.configuration,
    Phase.ARTIFACT: preparation.artifact,
    Phase.RENDER: preparation.render,
    Phase.NAMESPACE: rollout.namespace,
    Phase.DATA: data.data,
    Phase.WORKLOADS: rollout.workloads,
    Phase.ROUTE: rollout.route,
    Phase.PROBE: rollout.probe,
    Phase.CHECKS: checks.checks,
}

_SLOW = timedelta(seconds=30)
"""A wait for the cluster that lasts longer is told on the pull request."""
_CONFIGURATION_AGAIN = timedelta(minutes=5)
"""How soon a configuration that was missing or wrong is read again."""
_UNSEEN_AGAIN = timedelta(minutes=10)
"""How soon to ask again for a pull request that GitHub did not show."""
_OUTAGE_AGAIN = timedelta(minutes=1)
_STEADY_AGAIN = timedelta(seconds=30)
_BUNDLES = 64
_UNSEEN = Cause("GitHub does not show the pull request, which is no evidence: nothing is changed.")


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What a bundle is made of: while it is the same, nothing is rendered again."""

    environment: EnvironmentKey
    commit: str
    configuration: str
    secrets: str
    resets: str
    refreshes: int
    asleep: bool

    @classmethod
    def of(cls, run: Run) -> _Rendered:
        configuration = run.attempt.configuration or ""
        key, commit = run.environment.key, run.pull.head_sha
        refreshes = run.environment.wishes.refreshes
        return cls(key, commit, configuration, run.secrets.digest, run.resets, refreshes, run.asleep)


class Reconciler:
    """The handler of `environment:` work."""

    def __init__(self, peers: Peers, policy: Policy) -> None:
        self._peers = peers
        self._policy = policy
        self._bundles: OrderedDict[_Rendered, Bundle] = OrderedDict()

    async def __call__(self, claim: Claim) -> datetime | None:
        """Runs as far as it can; returns when to run again unless woken before, None when settled."""
        key = EnvironmentKey.parse(claim.key.subject)
        environment = await self._peers.environments.get(key)
        if environment is None:
            return None
        structlog.contextvars.bind_contextvars(environment=str(key), generation=environment.generation)
        run = Run(self._peers, self._policy, claim, environment)
        await self._mind_deadline(run)
        try:
            refusal = await self._read_pull_request(run)
        except Rejected as error:
            refusal = Cause(str(error), error.detail)
        if refusal is not None:
            return await self._unseen(run, refusal)
        await self._follow_wishes(run)
        wanted = desire.before_reading(
            run.pull,
            run.status,
            run.environment.wishes,
            self._peers.clock(),
            author_trusted=await self._trusts_author(run),
        )
        if isinstance(wanted, Unwanted):
            return await teardown(run, wanted)
        try:
            wanted = await self._read_configuration(run)
        except ConfigurationError as error:
            return await self._fail(run, Failed("The configuration cannot be used.", True, str(error)))
        if isinstance(wanted, Unwanted):
            again = await teardown(run, wanted)
            return again or self._configuration_again(wanted)
        await self._begin(run)
        return await self._walk(run)

    async def _unseen(self, run: Run, refusal: Cause) -> datetime | None:
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

    async def _read_pull_request(self, run: Run) -> Cause | None:
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
        run.environment = replace(
            environment, observed_generation=environment.generation, repository=pull.repository
        )
        if before is None or _differs(before, pull):
            anew = Attempt(
                pull_request=pull, configuration=run.attempt.configuration, wishes=run.attempt.wishes
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

    async def _follow_wishes(self, run: Run) -> None:
        """What was asked for by command since the attempt began."""
        before, now = run.attempt.wishes, run.environment.wishes
        if (before.refreshes, before.asleep_by is None) != (now.refreshes, now.asleep_by is None):
            # The same bytes once more: tags may have moved, digests do not.
            anew = Attempt(
                pull_request=run.pull,
                images=run.attempt.images,
                author_trusted=run.attempt.author_trusted,
            )
            run.environment = replace(run.environment, attempt=anew)
            run.environment = replace(run.environment, status=deadline.never(run.status))
            run.set(commit=None)
        run.remember(wishes=now)

    async def _trusts_author(self, run: Run) -> bool:
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

    async def _mind_deadline(self, run: Run) -> None:
        minded = deadline.mind(run.status, run.environment.wishes, self._peers.clock())
        if minded != run.status:
            warns = minded.expiring and not run.status.expiring
            run.environment = replace(run.environment, status=minded)
            await run.save(
                *([("expiring", f"Its time is up at {minded.expires_at:%Y-%m-%d %H:%M} UTC.")] * warns)
            )

    async def _read_configuration(self, run: Run) -> desire.Desire:
        """Reads it once for each generation; another text than before is another desire."""
        before = text = run.attempt.configuration
        unread = text is None or run.attempt.configuration_generation < run.environment.generation
        if unread:
            text = await self._peers.github.default_branch_file(run.pull.repository, PATH)
        if text is None:
            return Unwanted(End.UNCONFIGURED, Cause(f"The default branch has no {PATH}."))
        run.configuration = parse_configuration(text, self._policy.largest_size)
        paths = None
        if unread and desire.needs_paths(run.configuration):
            paths = await self._peers.github.changed_paths(run.pull.repository, run.pull.number)
        wanted = desire.after_reading(run.pull, run.configuration, paths)
        if isinstance(wanted, Unwanted):
            run.remember(configuration=text)
        elif unread:
            if before is not None and before != text:
                await self._start_over(run)
            run.remember(configuration=text, configuration_generation=run.environment.generation)
        return wanted

    async def _start_over(self, run: Run) -> None:
        """The same head is to be brought up once more, and nothing that was done for it counts."""
        anew = Attempt(
            pull_request=run.pull, wishes=run.attempt.wishes, author_trusted=run.attempt.author_trusted
        )
        run.environment = replace(run.environment, attempt=anew)
        run.set(commit=None)
        await run.save(("changed", f"{PATH} on the default branch is another one."))

    async def _begin(self, run: Run) -> None:
        """Says at once, before anything else, that this head is being brought up."""
        begun = run.status.commit == run.pull.head_sha and run.status.end is None
        queued = run.environment.admission is Admission.QUEUED  # its time has not begun
        if begun and (queued or run.status.expires_at is not None):
            return
        live = run.status.live_commit
        run.set(**_fresh(run.pull.head_sha, live))
        run.begin_time()
        if run.asleep:
            run.set(state=EnvironmentState.ASLEEP, cause=_asleep(run))
        story = ("opened" if live is None else "updating", f"{run.pull.head_sha[:7]} is wanted")
        await run.save(("asleep", _asleep(run).summary) if run.asleep else story)
        await run.report()

    async def _walk(self, run: Run) -> datetime | None:
        if run.environment.admission is Admission.QUEUED and not await enter(run):
            return None
        for phase, step in PHASES.items():
            if phase is Phase.NAMESPACE and not await enter(run):
                return None
            outcome = await self._step(run, phase, step)
            if isinstance(outcome, Waiting):
                return await self._wait(run, phase, outcome)
            if isinstance(outcome, Failed):
                return await self._fail(run, outcome)
            await run.finish(phase)
            if phase is Phase.RENDER and run.bundle is not None:
                self._keep(_Rendered.of(run), run.bundle)
        await (self._asleep(run) if run.asleep else self._ready(run))
        return None

    async def _step(self, run: Run, phase: Phase, step: Step) -> Outcome:
        """One phase, whatever its peers say; without secrets in it."""
        run.begin(phase)
        if phase is Phase.RENDER:
            run.bundle = self._bundles.get(_Rendered.of(run))
        try:
            outcome = await step(run)
        except Rejected as error:
            outcome = Failed(str(error), True, error.detail)
        except TryAgain as error:
            outcome = self._unreachable(run, phase, error)
        outcome = _without_secrets(outcome, run.secrets)
        if isinstance(outcome, Waiting) and self._peers.clock() >= outcome.until:
            return Failed(f"Gave up. {outcome.what}", True, outcome.detail)
        return outcome

    def _unreachable(self, run: Run, phase: Phase, error: TryAgain) -> Outcome:
        """A peer's outage is a wait; when it lasts it is told as a failure and still tried again."""
        now = self._peers.clock()
        started = run.status.phases[phase].started_at
        if now >= started + rollout.LIMITS.get(phase, preparation.ARTIFACT_LIMIT):
            return Failed(str(error), final=False)
        pause = min(max((now - started) / 4, timedelta(seconds=1)), timedelta(minutes=1))
        return Waiting(str(error), error.at or now + pause, until=datetime.max.replace(tzinfo=UTC))

    async def _ready(self, run: Run) -> None:
        fresh = run.status.state is not EnvironmentState.READY
        run.set(state=EnvironmentState.READY, phase=None, cause=None, live_commit=run.status.commit)
        run.remember(unsteady_since=None, wait=None)
        where = f"answers at {run.status.url}" if run.status.url else "runs; it has no route"
        await run.save(*([("ready", f"{run.pull.head_sha[:7]} {where}")] * fresh))
        await run.report()

    async def _asleep(self, run: Run) -> None:
        fresh = run.status.state is not EnvironmentState.ASLEEP
        run.set(state=EnvironmentState.ASLEEP, phase=None, cause=_asleep(run))
        run.remember(unsteady_since=None, wait=None)
        await run.save(*([("asleep", _asleep(run).summary)] * fresh))
        await run.report()

    async def _wait(self, run: Run, phase: Phase, outcome: Waiting) -> datetime:
        now = self._peers.clock()
        until = outcome.until if outcome.until.year < datetime.max.year else None
        wait = Cause(outcome.what, outcome.detail, until)
        run.remember(wait=wait)
        if run.status.state in (EnvironmentState.READY, EnvironmentState.ASLEEP):
            since = run.attempt.unsteady_since or now
            run.remember(unsteady_since=since)
            if now - since < rollout.LIMITS.get(phase, _SLOW):
                await run.save()
                return min(outcome.check_again, now + _STEADY_AGAIN)
        slow = now - run.status.phases[phase].started_at >= _SLOW
        if phase is Phase.ARTIFACT or slow:
            news = _is_news(run.status, EnvironmentState.WAITING, wait)
            run.set(state=EnvironmentState.WAITING, cause=wait)
            await run.save(*([("waiting", outcome.what)] * news))
            await run.report()
            return outcome.check_again
        await run.save()
        return min(outcome.check_again, run.status.phases[phase].started_at + _SLOW)

    async def _fail(self, run: Run, failed: Failed) -> datetime | None:
        cause = Cause(failed.why, failed.detail)
        news = _is_news(run.status, EnvironmentState.FAILED, cause)
        why = failed.why
        if run.configuration is None:  # its detail is line and field, not somebody's log
            news, why = news or run.status.cause != cause, f"{failed.why} {failed.detail}"
        if not news and run.status.cause is not None:
            cause = run.status.cause  # what crashes over and over is told once, not with each restart
        run.set(state=EnvironmentState.FAILED, commit=run.pull.head_sha, cause=cause, end=None)
        run.remember(wait=None)
        await run.save(*([("failed", why)] * news))
        await run.report()
        if run.configuration is None:
            return self._peers.clock() + _CONFIGURATION_AGAIN
        return None if failed.final else self._peers.clock() + _OUTAGE_AGAIN

    def _configuration_again(self, unwanted: Unwanted) -> datetime | None:
        return self._peers.clock() + _CONFIGURATION_AGAIN if unwanted.end is End.UNCONFIGURED else None

    def _keep(self, key: _Rendered, bundle: Bundle) -> None:
        self._bundles[key] = bundle
        self._bundles.move_to_end(key)
        while len(self._bundles) > _BUNDLES:
            self._bundles.popitem(last=False)


def _without_secrets(outcome: Outcome, secrets: Injection) -> Outcome:
    """Logs and answers are quoted in it, and a program may tell there what it was given."""
    if isinstance(outcome, Waiting):
        return replace(outcome, what=secrets.hide(outcome.what), detail=secrets.hide(outcome.detail))
    if isinstance(outcome, Failed):
        return replace(outcome, why=secrets.hide(outcome.why), detail=secrets.hide(outcome.detail))
    return outcome


def _differs(before: PullRequest, now: PullRequest) -> bool:
    """Whether what is wanted may be another thing than before; a new title changes nothing."""
    return (
        (before.head_sha, before.open, before.merged, before.draft, before.labels, before.base_ref)
        != (now.head_sha, now.open, now.merged, now.draft, now.labels, now.base_ref)
    ) or (before.from_fork, before.archived) != (now.from_fork, now.archived)


def _is_news(status: Status, state: EnvironmentState, cause: Cause) -> bool:
    """Whether it was not told in these words before: a counter that moved on, or a log's tail, is no news."""
    before = status.cause.summary if status.cause is not None else None
    return status.state is not state or before is None or _worded(before) != _worded(cause.summary)


def _worded(summary: str) -> str:
    return re.sub(r"\d+", "#", summary)


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


def _asleep(run: Run) -> Cause:
    return Cause(f"`{run.environment.wishes.asleep_by}` put it to sleep: nothing runs, and the data stays.")


def _fresh(commit: str, live: str | None) -> dict[str, object]:
    """The status fields of a new attempt; what still runs of the one before stays told as such."""
    blank = Status(EnvironmentState.PENDING, commit=commit, live_commit=live)
    return {name: getattr(blank, name) for name in Status.__dataclass_fields__}
