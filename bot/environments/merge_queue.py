"""Reports the checks of previews on merge groups, so that a required check does not block a merge queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.environments.ports import ContentReader, MergeGroupReporter, RepositoryReader
from bot.model.errors import ConfigurationError, Rejected
from bot.model.work import Claim

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MergeQueue:
    """Handler of `merge-group:` work.

    A merge group is a commit that GitHub makes of queued pull requests. It has no preview: each of its pull
    requests passed its own required checks before it was queued.
    """

    repositories: RepositoryReader
    contents: ContentReader
    reporter: MergeGroupReporter
    check: Callable[[Claim], Awaitable[None]]
    """Raises Superseded unless the claim is current."""

    async def __call__(self, claim: Claim) -> datetime | None:
        repository_id, _, commit = claim.key.subject.partition("/")
        repository = await self.repositories.repository(int(repository_id))
        if repository is None:
            return None

        async def fence() -> None:
            await self.check(claim)

        try:
            text = await self.contents.default_branch_file(repository, CONFIG_FILE)
            if text is None:
                return None
            checks = [check.title for check in parse_configuration(text).preview.checks]
            await self.reporter.report_merge_group(repository, commit, checks, fence)
        except ConfigurationError as error:  # reported on pull requests
            log.info("configuration rejected", repository=repository.full_name, reason=str(error))
        except Rejected as error:  # such as a merge group that no longer exists
            log.warning("merge group not reported", commit=commit, reason=str(error))
        return None
