"""Keys of the durable work queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.model.environment import EnvironmentKey


@dataclass(frozen=True, slots=True)
class WorkKey:
    """`kind` selects the handler, `subject` is its object; a key never runs twice at once."""

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
    def namespace(cls, cluster: str, name: str) -> WorkKey:
        """A namespace that its environment no longer uses."""
        return cls("namespace", f"{cluster}/{name}")

    @classmethod
    def snapshot(cls, key: EnvironmentKey) -> WorkKey:
        """What must survive the store, in the environment's namespace."""
        return cls("snapshot", str(key))

    @classmethod
    def drift(cls, key: EnvironmentKey) -> WorkKey:
        """The comparison of a stage's or demo's live objects with the declared ones."""
        return cls("drift", str(key))

    @classmethod
    def pipeline(cls, repository_id: int) -> WorkKey:
        """Stages and demos as the default branch declares them."""
        return cls("pipeline", str(repository_id))

    @classmethod
    def installation(cls, installation_id: int) -> WorkKey:
        return cls("installation", str(installation_id))

    @classmethod
    def merge_group(cls, repository_id: int, commit: str) -> WorkKey:
        """A commit of a merge queue, on which checks are reported."""
        return cls("merge-group", f"{repository_id}/{commit}")

    @classmethod
    def resync(cls, repository_id: int) -> WorkKey:
        return cls("resync", str(repository_id))


@dataclass(frozen=True, slots=True)
class ScheduledWork:
    """State of a key in the queue."""

    running: bool
    at: datetime
    """The time of the next run; the end of the lease while running."""
    attempts: int
    """Number of consecutive failed runs."""
    error: str = ""
    """The error of the last failed run."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased key. `token` grows with each claim of the key: the fence against a late worker."""

    key: WorkKey
    token: int
    attempts: int
    """Number of consecutive failed runs before this one."""
    leased_until: datetime
    record: object = field(default=None, compare=False, repr=False)
    """What the store read about the key in the transaction of the claim; its stores return it."""
    last_writes: list[Callable[[Any], object]] = field(default_factory=list, compare=False, repr=False)
    """Writes of the store that belong to the transaction that ends the claim."""
