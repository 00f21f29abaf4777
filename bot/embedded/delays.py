"""What a real cluster does late, and a fast one on loopback would hide."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bot.embedded.informer import Change, Informer, Listener


@dataclass(slots=True)
class Delays:
    """Delays in seconds, which may change while the cluster runs. Zero simulates nothing."""

    service: float = 0.0
    """From a change of an EndpointSlice until the node's proxy and the gateway follow it."""
    route: float = 0.0
    """From the acceptance of an HTTPRoute until it carries traffic."""
    vanished: float = 0.0
    """How long a connection to a pod that ended hangs, instead of being refused."""
    termination: float = 0.0
    """From the end of a pod's containers until the pod is deleted."""
    job_backoff: float = 10.0
    """Until a Job's first failed pod is replaced; each further pause is twice as long."""


def realistic() -> Delays:
    """The delays of a real node, shortened as far as its races remain; only `vanished` is as long."""
    return Delays(service=0.3, route=0.3, vanished=30.0, termination=0.3, job_backoff=1.0)


def delayed(informer: Informer, listener: Listener, seconds: Callable[[], float]) -> Listener:
    """Calls the listener later, in order; at once for what exists when the informer starts."""
    last = 0.0

    def later(change: Change) -> None:
        nonlocal last
        loop = asyncio.get_running_loop()
        pause = seconds() if informer.has_synced else 0.0
        due = max(loop.time() + pause, last + 1e-6)
        if pause or due - loop.time() > 1e-5:
            last = due
            loop.call_at(due, listener, change)
        else:
            listener(change)

    return later
