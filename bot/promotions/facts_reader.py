"""Reads what the next step of a promotion has to know."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from bot.config.loader import CONFIG_FILE, host_objection, parse_configuration
from bot.config.stages import Stage
from bot.environments.ports import Clock
from bot.model.errors import ConfigurationError, Rejected, Unavailable
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.parity import Comparison
from bot.model.promotion import PENDING, Promotion
from bot.model.protection import Branch
from bot.model.pull_request import PullRequest
from bot.model.release import Origin, PromotableRelease
from bot.promotions.facts import ConfigurationSnapshot, Facts
from bot.promotions.parity_service import ParityService
from bot.promotions.pipeline import is_admissible, policy, stages_by_name
from bot.promotions.ports import EnvironmentReader, GitHubReaders, PromotionStore
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.rollout_progress import rollout_progress

log = structlog.get_logger()

T = TypeVar("T")

OUTAGE_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class FactsReader:
    promotions: PromotionStore
    environments: EnvironmentReader
    github: GitHubReaders
    release_resolver: ReleaseResolver
    parity_service: ParityService
    clock: Clock
    host_grants: HostGrants = NO_HOSTS
    """Which stages may have a host of their own."""

    async def facts(self, promotion: Promotion) -> tuple[Facts, datetime | None]:
        """And when to read again what could not be read."""
        if promotion.state not in PENDING:
            environment = await self.environments.get(promotion.stage)
            return Facts(progress=rollout_progress(environment)), None
        try:
            return await self._read(promotion), None
        except (Rejected, Unavailable) as error:
            log.warning("a promotion cannot be judged now", reason=str(error))
            told = error.retry_at if isinstance(error, Unavailable) else None
            return Facts(), told or self.clock() + OUTAGE_AGAIN

    async def _read(self, promotion: Promotion) -> Facts:
        # After it the configuration is read anew: nobody's approval is for one that was just changed.
        closed = False
        if promotion.number is not None:
            pull = await self.github.pull_requests.pull_request(promotion.repository, promotion.number)
            closed = pull is not None and not pull.open and not pull.merged
        else:
            await self.github.commits.head(promotion.repository)
        text = await self.github.contents.default_branch_file(promotion.repository, CONFIG_FILE)
        if text is None:
            return Facts(refusal=f"the default branch has no {CONFIG_FILE}")
        try:
            reading = ConfigurationSnapshot(text, parse_configuration(text))
        except ConfigurationError as error:
            return Facts(refusal=str(error))
        known = Facts(reading, closed=closed)
        if promotion.release is not None:
            return await self._about(promotion, promotion.release, policy(promotion), known)
        stage = reading.configuration.find_stage(promotion.stage)
        if stage is None:
            return known
        try:
            found = await self.release_resolver.resolve(promotion, reading.configuration)
        except Rejected as error:
            return replace(known, refusal=_lower(str(error)))
        if found is None:
            return known
        return await self._about(promotion, found.release, stage, replace(known, resolved=found))

    async def _about(
        self, promotion: Promotion, release: PromotableRelease, stage: Stage, known: Facts
    ) -> Facts:
        """What GitHub says of the release's pull request and commit; what it refuses to say stays unknown."""
        github, repository, number = self.github, promotion.repository, release.number
        protection = await _or_none(github.protections.protection(repository, promotion.stage.name))
        pull = (
            await _or_none(github.pull_requests.pull_request(repository, number))
            if number is not None
            else None
        )
        known = replace(
            known, protection=protection, host_objection=self._host(promotion, known.configuration)
        )
        if protection is not None and protection.restricts_branches:
            known = replace(known, branch=await _or_none(self._branch(promotion, release, pull)))
        known = replace(known, parity=await self._parity(promotion, release, stage, known.configuration))
        checks = (
            await _or_none(github.checks.check_states(repository, release.commit))
            if stage.required.checks
            else None
        )
        if number is None:
            commit = await _or_none(github.commits.commit(repository, release.commit))
            return replace(known, checks=checks, authors=commit.authors if commit is not None else None)
        wanted = stage.protected or bool(stage.required.reviews)
        reviews = await _or_none(github.pull_requests.reviews(repository, number)) if wanted else None
        authors = await _or_none(github.pull_requests.authors(repository, number))
        return replace(
            known,
            checks=checks,
            head=pull.head_sha if pull is not None else None,
            author=pull.author if pull is not None else "",
            other_base=pull.base_ref if pull is not None and pull.base_ref != pull.default_branch else "",
            authors=tuple(authors) if authors is not None else None,
            reviews=tuple(reviews) if reviews is not None else None,
        )

    async def _parity(
        self,
        promotion: Promotion,
        release: PromotableRelease,
        stage: Stage,
        reading: ConfigurationSnapshot | None,
    ) -> tuple[Comparison, ...]:
        """Nothing where another gate says no before."""
        if (
            not stage.after.names
            or reading is None
            or reading.configuration.find_stage(promotion.stage) is None
        ):
            return ()
        records = stages_by_name(await self.promotions.stages(promotion.repository.id))
        if not is_admissible(stage, records, release.id):
            return ()
        return await self.parity_service.compare_with_previous(promotion, stage, release, reading, records)

    def _host(self, promotion: Promotion, reading: ConfigurationSnapshot | None) -> str:
        """Why the stage cannot have its host; "" when it can."""
        if reading is None:
            return ""
        found = reading.configuration, reading.text
        return host_objection(*found, promotion.stage, promotion.repository, self.host_grants) or ""

    async def _branch(
        self, promotion: Promotion, release: PromotableRelease, pull: PullRequest | None
    ) -> Branch:
        """Where the release is in the repository's history: merged only when merging left its content."""
        github, repository = self.github, promotion.repository
        merged = pull.merge_commit if pull is not None and pull.merged else None
        if release.origin is Origin.DEFAULT_BRANCH:
            name = pull.base_ref if pull is not None and merged is not None else None
            return await github.protections.branch(repository, name)
        if pull is None:
            raise Rejected("GitHub does not show the release's pull request.")
        if release.from_fork:
            return Branch("")
        if (
            merged is not None
            and release.tree
            and await github.commits.tree(repository, merged) == release.tree
        ):
            return await github.protections.branch(repository, pull.base_ref)
        return await github.protections.branch(repository, pull.head_ref)


async def _or_none(reading: Awaitable[T]) -> T | None:
    """None for what GitHub refuses to show."""
    try:
        return await reading
    except Rejected as error:
        log.warning("it cannot be read, which counts as a no", reason=str(error))
        return None


def _lower(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}".rstrip(".")
