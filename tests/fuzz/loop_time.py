"""Measures what occupies an event loop."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import _lru_cache_wrapper
from typing import Any


class LongestCallback:
    """Processor time of the longest callback in this thread; what runs in other threads does not count."""

    seconds = 0.0
    callback = ""


_ATTEMPTS = 4


def require_short_callbacks(limit: float, run: Callable[[], object]) -> None:
    """Fails if each run has a callback above the limit.

    On a busy machine other processes empty the caches of the processor, so that a single run can take several
    times the processor time that the input needs. The shortest run is what the input needs: no run uses what
    an earlier one has computed.
    """
    measured = []
    for _ in range(_ATTEMPTS):
        forget_inputs()
        with longest_callback() as longest:
            run()
        if longest.seconds < limit:
            return
        measured.append(f"{longest.seconds * 1000:.0f} ms in {longest.callback}")
    raise AssertionError("; ".join(measured))


def forget_inputs() -> None:
    """Clears the caches of the bot that depend on inputs: those with a limit."""
    re.purge()
    for name in [name for name in sys.modules if name.startswith("bot.")]:
        for value in vars(sys.modules[name]).values():
            if isinstance(value, _lru_cache_wrapper) and value.cache_parameters()["maxsize"] is not None:
                value.cache_clear()


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
