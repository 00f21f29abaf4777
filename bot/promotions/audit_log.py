"""The audit entries of a change as lines of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.model.repository import Repository
from bot.promotions.reasons import Describe
from bot.promotions.stage_aggregate import StageAggregate

log = structlog.get_logger()


@dataclass
class LoggedChange:
    """A change of a stage that remembers its result; the store may call it more than once."""

    change: Callable[[StageAggregate], StageAggregate]
    describe: Describe
    result: StageAggregate | None = None

    def __call__(self, aggregate: StageAggregate) -> StageAggregate:
        self.result = self.change(replace(aggregate, describe=self.describe))
        return self.result

    def log(self, repository: Repository) -> None:
        """To be called after the transaction."""
        for entry in self.result.audit if self.result is not None else ():
            log.info(
                "stage changed",
                repository=repository.full_name,
                stage=entry.stage,
                action=entry.action,
                reason=entry.reason,
                by=entry.actor,
                promotion=entry.promotion,
            )
