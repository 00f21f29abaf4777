"""Measures what occupies an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class LongestCallback:
    """Processor time of the longest callback in this thread; what runs in other threads does not count."""

    seconds = 0.0
    callback = ""


_ATTEMPTS = 4


def require_short_callbacks(limit: float, run: Callable[[], object]) -> None:
    """Fails if each run has a callback above the limit.

    On a busy machine other processes empty the caches of the processor, so that a single run can take several
    times the processor time that the input needs.
    """
    measured = []
    for _ in range(_ATTEMPTS):
        with longest_callback() as longest:
            run()
        if longest.seconds < limit:
            return
        measured.append(f"{longest.seconds * 1000:.0f} ms in {longest.callback}")
    raise AssertionError("; ".join(measured))


@contextmanager
def longest_callback() -> Iterator[LongestCallback]:
    """Each step of a coroutine is a callback."""
    longest, run = LongestCallback(), asyncio.events.Handle._run

    def measured(handle: Any) -> None:
        started = time.thread_time()
        run(handle)
        seconds = time.thread_time() - started
        if seconds > longest.seconds:
            longest.seconds, longest.callback = seconds, repr(handle)

    with_time: Any = asyncio.events.Handle
    with_time._run = measured
    try:
        yield longest
    finally:
        with_time._run = run
