"""What the default branch wants of stages and demos. Level-triggered: a push only makes it look."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments.ports import ContentReader
from bot.model.errors import ConfigurationError, Rejected
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions.demo_pins import DemoPins
from bot.promotions.ports import CommitReader, RepositoryReader
from bot.promotions.service import PromotionService

log = structlog.get_logger()


class DefaultBranchFollower:
    """The handler of `pipeline:` work."""

    def __init__(
        self,
        repositories: RepositoryReader,
        commits: CommitReader,
        contents: ContentReader,
        service: PromotionService,
        pins: DemoPins,
    ) -> None:
        self._repositories = repositories
        self._commits = commits
        self._contents = contents
        self._service = service
        self._pins = pins

    async def __call__(self, claim: Claim) -> datetime | None:
        """Returns when to look again unless something is pushed before."""
        repository = await self._repositories.repository(int(claim.key.subject))
        if repository is None:
            return None
        try:
            return await self._follow(claim, repository)
        except ConfigurationError as error:  # it is told on pull requests
            log.info("a pipeline cannot be followed", repository=repository.full_name, reason=str(error))
        except Rejected as error:
            log.warning("a pipeline cannot be read", repository=repository.full_name, reason=str(error))
        return None

    async def _follow(self, claim: Claim, repository: Repository) -> datetime | None:
        head = await self._commits.head(repository)
        text = await self._contents.default_branch_file(repository, CONFIG_FILE)
        if head is None or text is None:
            return None
        configuration = parse_configuration(text)
        for name, stage in configuration.stages.items():
            if stage.follows_default_branch:
                await self._service.promote_commit(repository, name, head.sha)
        return await self._pins.follow(claim, repository, configuration)
