"""What a report is about, and the writes that it consists of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.github.messages.environment import marker
from bot.github.reporter.pending_writes import Receipt, ReceiptEntry, Slot
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

PREVIEW_CHECK = "greenroom/preview"

MAX_COMMENTS = 2
"""A comment that somebody deleted is written once more; who deletes it again does not want it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An environment or a promotion, and the pull request on which it is told about."""

    name: str
    """By which its comment, check runs and Deployments are found again."""
    repository: Repository
    pull: PullRequest | None
    """None: there is none, so Deployments alone tell."""
    page: str
    deployment_environment: str
    deployment_description: str
    transient: bool
    """Whether the environment of its Deployments leaves some day."""

    @property
    def marker(self) -> str:
        return marker(self.name)

    def external_id(self, slot: Slot) -> str:
        """What a check run carries, so that it can be found again."""
        return self.name if slot.name == PREVIEW_CHECK else f"{self.name}/{slot.name}"


@dataclass(frozen=True, slots=True)
class Write:
    """One slot that does not say what it should. `id` None: it has to be created."""

    slot: Slot
    fields: Mapping[str, Any]
    open: bool
    id: str | None = None
    url: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def entry(self) -> ReceiptEntry:
        return ReceiptEntry(self.id, self.digest, self.open, self.url)


def outdated(wanted: Sequence[Write], receipt: Receipt) -> list[Write]:
    """Those that GitHub does not say yet, with the id of what is there."""
    writes = []
    for write in wanted:
        known = receipt.entries.get(write.slot)
        if known is None:
            writes.append(write)
        elif known.digest != write.digest:
            writes.append(replace(write, id=known.id, url=write.url or known.url))
    return writes
