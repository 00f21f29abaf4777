"""Receipt of the objects written to GitHub for one subject; stored as JSON, contains no secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

VERSION = 1
_KEPT_PER_KIND = 40
"""Covers earlier heads that become the head again."""


class WriteKind(StrEnum):
    CHECK = "check"
    DEPLOYMENT = "deployment"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Slot:
    """Identifies an object on GitHub: a check run by commit and name, a Deployment by commit, the comment."""

    kind: WriteKind
    commit: str = ""
    name: str = ""


COMMENT = Slot(WriteKind.COMMENT)


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    """State of one object as it was written last."""

    id: str | None
    """GitHub's node id; None while the result of the creation is unknown."""
    digest: str = ""
    """Digest of the fields written last; empty when they are unknown."""
    open: bool = True
    """Whether the check run is not completed, or the Deployment is not inactive."""
    url: str = ""
    """URL of a Deployment; of a check run only while its text shows the commit as running."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything that was written for one subject."""

    entries: Mapping[Slot, ReceiptEntry] = field(default_factory=dict)
    deleted_comments: int = 0
    """Number of times a user deleted our comment."""

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Raises ValueError for an unknown version: without the receipt everything would be written twice."""
        if not text:
            return cls()
        data = json.loads(text)
        if data.get("version") != VERSION:
            raise ValueError(f"a receipt of version {data.get('version')!r} cannot be read")
        entries = {
            Slot(WriteKind(item["kind"]), item.get("commit", ""), item.get("name", "")): ReceiptEntry(
                item.get("id"), item.get("digest", ""), item.get("open", False), item.get("url", "")
            )
            for item in data["entries"]
        }
        return cls(entries, data.get("lost_comments", 0))

    def dump(self) -> str:
        items = [_item(slot, entry) for slot, entry in self.entries.items()]
        return json.dumps({"version": VERSION, "entries": items, "lost_comments": self.deleted_comments})

    @property
    def unconfirmed(self) -> list[Slot]:
        """Slots whose creation has an unknown result: search for them before creating them."""
        return [slot for slot, entry in self.entries.items() if entry.id is None]

    def of(self, kind: WriteKind) -> list[tuple[Slot, ReceiptEntry]]:
        return [(slot, entry) for slot, entry in self.entries.items() if slot.kind is kind]

    def with_entry(self, slot: Slot, entry: ReceiptEntry) -> Receipt:
        """Appends the entry; the oldest closed entries above the limit are dropped."""
        entries = {other: value for other, value in self.entries.items() if other != slot} | {slot: entry}
        closed = [
            other
            for other, value in entries.items()
            if other.kind is slot.kind and not value.open and other != slot
        ]
        surplus = sum(other.kind is slot.kind for other in entries) - _KEPT_PER_KIND
        for other in closed[: max(surplus, 0)]:
            del entries[other]
        return replace(self, entries=entries)

    def without(self, slot: Slot) -> Receipt:
        entries = {other: value for other, value in self.entries.items() if other != slot}
        return replace(self, entries=entries)

    def without_deleted(self, slot: Slot) -> Receipt:
        """Without a slot whose object was deleted on GitHub."""
        deleted = self.deleted_comments + (slot.kind is WriteKind.COMMENT)
        return replace(self.without(slot), deleted_comments=deleted)


def _item(slot: Slot, entry: ReceiptEntry) -> dict[str, Any]:
    item = {
        "kind": slot.kind.value,
        "commit": slot.commit,
        "name": slot.name,
        "id": entry.id,
        "digest": entry.digest,
        "open": entry.open,
        "url": entry.url,
    }
    return {name: value for name, value in item.items() if value not in ("", False, None)}
