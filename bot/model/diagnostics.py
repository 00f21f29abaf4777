"""Events and logs of an environment's namespace, for troubleshooting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event. All texts are plain."""

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
    """From the previous run of the container."""


@dataclass(frozen=True, slots=True)
class NamespaceDiagnostics:
    """Events, latest first, and log tails, newest pod first; or why there are none."""

    events: tuple[Event, ...] = ()
    logs: tuple[LogTail, ...] = ()
    unavailable: str = ""
    """A sentence, when the cluster does not respond or the namespace is not ours."""
