"""Keys of the durable work queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.environment import EnvironmentKey


@dataclass(frozen=True, slots=True)
class WorkKey:
    """`kind` picks the worker's handler, `subject` says on what; one key is never run twice at once."""

    kind: str
    subject: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.subject}"

    @classmethod
    def parse(cls, text: str) -> WorkKey:
        kind, _, subject = text.partition(":")
        return cls(kind, subject)

    @classmethod
    def environment(cls, key: EnvironmentKey) -> WorkKey:
        return cls("environment", str(key))

    @classmethod
    def command(cls, comment_id: int) -> WorkKey:
        return cls("command", str(comment_id))

    @classmethod
    def promotion(cls, id: str) -> WorkKey:
        return cls("promotion", id)

    @classmethod
    def namespace(cls, name: str) -> WorkKey:
        return cls("namespace", name)

    @classmethod
    def pipeline(cls, repository_id: int) -> WorkKey:
        """What the default branch wants of stages and demos."""
        return cls("pipeline", str(repository_id))

    @classmethod
    def resync(cls, repository_id: int) -> WorkKey:
        return cls("resync", str(repository_id))


@dataclass(frozen=True, slots=True)
class ScheduledWork:
    """Where a key stands in the queue."""

    running: bool
    at: datetime
    """When it is run next, at the latest; of a running one, until when it is leased."""
    attempts: int
    """How many runs in a row failed."""
    error: str = ""
    """What the last failed run said."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased key. `token` grows with each claim of the key: the fence against a late worker."""

    key: WorkKey
    token: int
    attempts: int
    """How many runs in a row failed before this one."""
    leased_until: datetime
