"""What is seen in an environment's namespace: for people who look for the reason of something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """An event, as Kubernetes recorded it. All texts are plain."""

    at: datetime | None
    subject: str
    """Kind and name: `Pod shop-5d4f-x2k`."""
    reason: str
    message: str
    warning: bool
    count: int = 1


@dataclass(frozen=True, slots=True)
class LogTail:
    """The last lines of one container."""

    pod: str
    container: str
    text: str
    previous: bool = False
    """They are the last words of a run that is over."""


@dataclass(frozen=True, slots=True)
class NamespaceDiagnostics:
    """Events, the latest first, and log tails, the newest pod first; or why there are none."""

    events: tuple[Event, ...] = ()
    logs: tuple[LogTail, ...] = ()
    unavailable: str = ""
    """A sentence, when the cluster could not be asked or there is nothing of ours."""
