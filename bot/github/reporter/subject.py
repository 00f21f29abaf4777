"""Subject of a report, and the writes that it consists of."""

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
"""A comment that a user deletes is created once more, and not again."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An environment or a promotion, and the pull request on which it is reported."""

    name: str
    """Identifies its comment, check runs and Deployments."""
    repository: Repository
    pull: PullRequest | None
    """None when only Deployments are reported."""
    page: str
    deployment_environment: str
    deployment_description: str
    transient: bool
    """Whether the environment of its Deployments is temporary."""

    @property
    def marker(self) -> str:
        return marker(self.name)

    def external_id(self, slot: Slot) -> str:
        """Identifies the check run on GitHub."""
        return self.name if slot.name == PREVIEW_CHECK else f"{self.name}/{slot.name}"


@dataclass(frozen=True, slots=True)
class Write:
    """Update of one slot. `id` is None when the object must be created."""

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


def outdated(desired: Sequence[Write], receipt: Receipt) -> list[Write]:
    """The writes whose fields differ from those written last, with the id of the existing object."""
    writes = []
    for write in desired:
        entry = receipt.entries.get(write.slot)
        if entry is None:
            writes.append(write)
        elif entry.digest != write.digest:
            writes.append(replace(write, id=entry.id))
    return writes
