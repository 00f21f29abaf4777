"""What was written to GitHub for one environment: JSON that is stored with it and holds no secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

VERSION = 1
_KEPT_PER_KIND = 40
"""Enough to find the check run or Deployment of an earlier head that comes back."""


class WriteKind(StrEnum):
    CHECK = "check"
    DEPLOYMENT = "deployment"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing on GitHub that there is at most once."""

    kind: WriteKind
    commit: str = ""
    name: str = ""


COMMENT = Slot(WriteKind.COMMENT)


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    id: str | None
    """GitHub's node id; None when it was to be created and the answer is not known."""
    digest: str = ""
    """Of the fields written last; "" when it is not known what was."""
    open: bool = True
    """A check run that is not completed, a Deployment that is not inactive."""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    entries: Mapping[Slot, ReceiptEntry] = field(default_factory=dict)
    deleted_comments: int = 0
    """How often our comment was found deleted."""

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Raises ValueError for what another version wrote: better loud than everything a second time."""
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
        """What was to be created when something happened in between: look before creating."""
        return [slot for slot, entry in self.entries.items() if entry.id is None]

    def of(self, kind: WriteKind) -> list[tuple[Slot, ReceiptEntry]]:
        return [(slot, entry) for slot, entry in self.entries.items() if slot.kind is kind]

    def with_entry(self, slot: Slot, entry: ReceiptEntry) -> Receipt:
        """The newest is last; what is settled and old is forgotten."""
        entries = {known: value for known, value in self.entries.items() if known != slot} | {slot: entry}
        settled = [
            known
            for known, value in entries.items()
            if known.kind is slot.kind and not value.open and known != slot
        ]
        surplus = sum(known.kind is slot.kind for known in entries) - _KEPT_PER_KIND
        for known in settled[: max(surplus, 0)]:
            del entries[known]
        return replace(self, entries=entries)

    def without(self, slot: Slot) -> Receipt:
        entries = {known: value for known, value in self.entries.items() if known != slot}
        return replace(self, entries=entries)

    def without_deleted(self, slot: Slot) -> Receipt:
        """It is not on GitHub any more."""
        lost = self.deleted_comments + (slot.kind is WriteKind.COMMENT)
        return replace(self.without(slot), deleted_comments=lost)


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
