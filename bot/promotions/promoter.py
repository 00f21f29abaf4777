"""Carries a promotion on: reads what has to be known, lets the pure machine decide, and tells about it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from bot.environments.configuration import PATH, host_objection, parse_configuration
from bot.environments.ports import Clock
from bot.environments.stages import Stage
from bot.model.environment import EnvironmentKind
from bot.model.errors import ConfigurationError, Rejected, TryAgain
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.parity import Comparison
from bot.model.promotion import PENDING, Board, Promotion, PromotionState
from bot.model.protection import Branch
from bot.model.pull_request import PullRequest
from bot.model.release import Origin, PromotableRelease
from bot.model.work import Claim
from bot.promotions.asking import Asking
from bot.promotions.comparing import Comparing
from bot.promotions.facts import Facts, Reading
from bot.promotions.machine import next_look, step
from bot.promotions.pipeline import may_come, onward, policy, stages_by_name
from bot.promotions.ports import Environments, GitHub, Promotions
from bot.promotions.sources import Sources
from bot.promotions.watching import progress

log = structlog.get_logger()

T = TypeVar("T")

_OUTAGE_AGAIN = timedelta(seconds=30)
_PASSING = frozenset(
    {
        PromotionState.GATING,
        PromotionState.QUEUED,
        PromotionState.DEPLOYING,
        PromotionState.VERIFYING,
        PromotionState.SOAKING,
    }
)
"""Nobody has to do anything, and something else is told soon: such news waits for a quiet moment."""


@dataclass(frozen=True, slots=True)
class Peers:
    promotions: Promotions
    environments: Environments
    github: GitHub
    sources: Sources
    comparing: Comparing
    clock: Clock
    hosts: HostGrants = NO_HOSTS
    """Which stages may have a host of their own."""


class Promoter:
    """The handler of `promotion:` work."""

    def __init__(self, peers: Peers, asking: Asking) -> None:
        self._peers = peers
        self._asking = asking

    async def __call__(self, claim: Claim) -> datetime | None:
        """Goes as far as it can; returns when to run again unless woken before, None when it has ended."""
        promotion = await self._peers.promotions.get(claim.key.subject)
        if promotion is None:
            return None
        structlog.contextvars.bind_contextvars(promotion=promotion.id, stage=promotion.stage.name)
        facts, again = await self._facts(promotion)
        now = self._peers.clock()

        id = promotion.id

        def go_on(board: Board) -> Board:
            return step(board, id, facts, now)

        board = await self._peers.promotions.change(
            promotion.stage, promotion.repository, go_on, about=id, claim=claim
        )
        promotion = board.promotions[id]
        if promotion.state is PromotionState.SUCCEEDED:
            await self._go_onward(promotion)
        untold = await self._tell(claim, promotion)
        moments = [moment for moment in (next_look(promotion, now), again, untold) if moment is not None]
        return min(moments, default=None)

    async def _facts(self, promotion: Promotion) -> tuple[Facts, datetime | None]:
        """What the next step has to know, and when to read again what could not be read."""
        if promotion.state not in PENDING:
            environment = await self._peers.environments.get(promotion.stage)
            return Facts(progress=progress(environment)), None
        try:
            return await self._read(promotion), None
        except (Rejected, TryAgain) as error:
            log.warning("a promotion cannot be judged now", reason=str(error))
            told = error.at if isinstance(error, TryAgain) else None
            return Facts(), told or self._peers.clock() + _OUTAGE_AGAIN

    async def _read(self, promotion: Promotion) -> Facts:
        # After it the configuration is read anew: nobody's approval is for one that was just changed.
        if promotion.number is not None:
            await self._peers.github.pull_request(promotion.repository, promotion.number)
        else:
            await self._peers.github.head(promotion.repository)
        text = await self._peers.github.default_branch_file(promotion.repository, PATH)
        if text is None:
            return Facts(refusal=f"the default branch has no {PATH}")
        try:
            reading = Reading(text, parse_configuration(text))
        except ConfigurationError as error:
            return Facts(refusal=str(error))
        if promotion.release is not None:
            return await self._about(promotion, promotion.release, policy(promotion), Facts(reading))
        stage = reading.configuration.place(promotion.stage)
        if stage is None:
            return Facts(reading)
        try:
            found = await self._peers.sources.find(promotion, reading.configuration)
        except Rejected as error:
            return Facts(reading, refusal=_lower(str(error)))
        if found is None:
            return Facts(reading)
        return await self._about(promotion, found.release, stage, Facts(reading, found))

    async def _about(
        self, promotion: Promotion, release: PromotableRelease, stage: Stage, known: Facts
    ) -> Facts:
        """What GitHub says of the release's pull request and commit; what it refuses to say stays unknown."""
        github, repository, number = self._peers.github, promotion.repository, release.number
        protection = await _or_none(github.protection(repository, promotion.stage.name))
        pull = await _or_none(github.pull_request(repository, number)) if number is not None else None
        known = replace(known, protection=protection, host=self._host(promotion, known.reading))
        if protection is not None and protection.restricts_branches:
            known = replace(known, branch=await _or_none(self._branch(promotion, release, pull)))
        known = replace(known, parity=await self._parity(promotion, release, stage, known.reading))
        checks = await _or_none(github.checks(repository, release.commit)) if stage.required.checks else None
        if number is None:
            commit = await _or_none(github.commit(repository, release.commit))
            return replace(known, checks=checks, authors=commit.authors if commit is not None else None)
        wanted = stage.protected or bool(stage.required.reviews)
        reviews = await _or_none(github.reviews(repository, number)) if wanted else None
        authors = await _or_none(github.authors(repository, number))
        return replace(
            known,
            checks=checks,
            head=pull.head_sha if pull is not None else None,
            author=pull.author if pull is not None else "",
            authors=tuple(authors) if authors is not None else None,
            reviews=tuple(reviews) if reviews is not None else None,
        )

    async def _parity(
        self, promotion: Promotion, release: PromotableRelease, stage: Stage, reading: Reading | None
    ) -> tuple[Comparison, ...]:
        """Nothing where another gate says no before."""
        if not stage.after.names or reading is None or reading.configuration.place(promotion.stage) is None:
            return ()
        records = stages_by_name(await self._peers.promotions.stages(promotion.repository.id))
        if not may_come(stage, records, release.id):
            return ()
        return await self._peers.comparing.before(promotion, stage, release, reading, records)

    def _host(self, promotion: Promotion, reading: Reading | None) -> str:
        """Why the stage cannot have its host; "" when it can."""
        if reading is None:
            return ""
        found = reading.configuration, reading.text
        return host_objection(*found, promotion.stage, promotion.repository, self._peers.hosts) or ""

    async def _branch(
        self, promotion: Promotion, release: PromotableRelease, pull: PullRequest | None
    ) -> Branch:
        """Where the release is in the repository's history: merged only when merging left its content."""
        github, repository = self._peers.github, promotion.repository
        merged = pull.merge_commit if pull is not None and pull.merged else None
        if release.origin is Origin.DEFAULT_BRANCH:
            name = pull.base_ref if pull is not None and merged is not None else None
            return await github.branch(repository, name)
        if pull is None:
            raise Rejected("GitHub does not show the release's pull request.")
        if release.from_fork:
            return Branch("")
        if merged is not None and release.tree and await github.tree(repository, merged) == release.tree:
            return await github.branch(repository, pull.base_ref)
        return await github.branch(repository, pull.head_ref)

    async def _go_onward(self, promotion: Promotion) -> None:
        """The release goes by itself where the pipeline says so."""
        assert promotion.release is not None, "it was found before the gates"
        if promotion.stage.kind is not EnvironmentKind.STAGE:
            return
        records = stages_by_name(await self._peers.promotions.stages(promotion.repository.id))
        stages = parse_configuration(promotion.policy).stages
        for name in onward(stages, records, promotion.stage.name, promotion.release.id):
            await self._asking.automatic(promotion.repository, name, promotion.release, promotion.number)

    async def _tell(self, claim: Claim, promotion: Promotion) -> datetime | None:
        """On its pull request, and as a Deployment. Where nobody can be told, it goes on all the same.

        Returns when to try again, None when it was told.
        """
        try:
            await self._tell_on_github(claim, promotion)
        except Rejected as error:
            log.warning("a promotion cannot be told about", reason=str(error))
        except TryAgain as error:
            log.info("a promotion is told about later", reason=str(error))
            return error.at or self._peers.clock() + _OUTAGE_AGAIN
        return None

    async def _tell_on_github(self, claim: Claim, promotion: Promotion) -> None:
        pull = None
        if promotion.number is not None:
            pull = await self._peers.github.pull_request(promotion.repository, promotion.number)
            if pull is None:
                return

        async def fence() -> None:
            await self._peers.promotions.check(claim)

        async def save(receipt: str) -> None:
            await self._peers.promotions.save_receipt(claim, promotion.id, receipt)

        receipt = await self._peers.promotions.receipt(promotion.id)
        passing = promotion.state in _PASSING
        await self._peers.github.tell(promotion, pull, receipt, fence, save, passing=passing)


async def _or_none(reading: Awaitable[T]) -> T | None:
    """None for what GitHub refuses to show."""
    try:
        return await reading
    except Rejected as error:
        log.warning("it cannot be read, which counts as a no", reason=str(error))
        return None


def _lower(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}".rstrip(".")
