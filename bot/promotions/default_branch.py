"""Promotes new commits of the default branch and follows pinned demos; level-triggered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments.ports import RepositoryReader
from bot.model.errors import ConfigurationError, Rejected
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions.demo_pins import DemoPins
from bot.promotions.service import PromotionService

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DefaultBranchFollower:
    """Handler of `pipeline:` work."""

    repositories: RepositoryReader
    service: PromotionService
    pins: DemoPins

    async def __call__(self, claim: Claim) -> datetime | None:
        """Returns when to look again unless a push wakes it before."""
        repository = await self.repositories.repository(int(claim.key.subject))
        if repository is None:
            return None
        try:
            return await self._follow(claim, repository)
        except ConfigurationError as error:  # reported on pull requests
            log.info("configuration rejected", repository=repository.full_name, reason=str(error))
        except Rejected as error:
            log.warning("configuration unreadable", repository=repository.full_name, reason=str(error))
        return None

    async def _follow(self, claim: Claim, repository: Repository) -> datetime | None:
        github = self.service.github
        head = await github.commits.head(repository)
        text = await github.contents.default_branch_file(repository, CONFIG_FILE)
        if head is None or text is None:
            return None
        configuration = parse_configuration(text)
        for name, stage in configuration.stages.items():
            if stage.follows_default_branch:
                await self.service.promote_commit(repository, name, head.sha)
        return await self.pins.follow(claim, repository, configuration)
