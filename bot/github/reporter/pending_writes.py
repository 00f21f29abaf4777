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


class Kind(StrEnum):
    CHECK = "check"
    DEPLOYMENT = "deployment"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing on GitHub that there is at most once."""

    kind: Kind
    commit: str = ""
    name: str = ""


COMMENT = Slot(Kind.COMMENT)


@dataclass(frozen=True, slots=True)
class Entry:
    id: str | None
    """GitHub's node id; None when it was to be created and the answer is not known."""
    digest: str = ""
    """Of the fields written last; "" when it is not known what was."""
    open: bool = True
    """A check run that is not completed, a Deployment that is not inactive."""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    entries: Mapping[Slot, Entry] = field(default_factory=dict)
    lost_comments: int = 0
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
            Slot(Kind(item["kind"]), item.get("commit", ""), item.get("name", "")): Entry(
                item.get("id"), item.get("digest", ""), item.get("open", False), item.get("url", "")
            )
            for item in data["entries"]
        }
        return cls(entries, data.get("lost_comments", 0))

    def dump(self) -> str:
        items = [_item(slot, entry) for slot, entry in self.entries.items()]
        return json.dumps({"version": VERSION, "entries": items, "lost_comments": self.lost_comments})

    @property
    def unknown(self) -> list[Slot]:
        """What was to be created when something happened in between: look before creating."""
        return [slot for slot, entry in self.entries.items() if entry.id is None]

    def of(self, kind: Kind) -> list[tuple[Slot, Entry]]:
        return [(slot, entry) for slot, entry in self.entries.items() if slot.kind is kind]

    def put(self, slot: Slot, entry: Entry) -> Receipt:
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

    def drop(self, slot: Slot) -> Receipt:
        entries = {known: value for known, value in self.entries.items() if known != slot}
        return replace(self, entries=entries)

    def lose(self, slot: Slot) -> Receipt:
        """It is not on GitHub any more."""
        lost = self.lost_comments + (slot.kind is Kind.COMMENT)
        return replace(self.drop(slot), lost_comments=lost)


def _item(slot: Slot, entry: Entry) -> dict[str, Any]:
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
