"""Whether a service answers: each change is one line of the log."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_FAILURES = 2
"""Failures in a row after which a service counts as unreachable; a single one may be a lost connection."""


class Reachability:
    """Counts the failed requests to one service."""

    def __init__(self, service: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._monotonic = monotonic
        self._failures = 0
        self._since = 0.0

    def answered(self) -> None:
        if self._failures >= _FAILURES:
            seconds = round(self._monotonic() - self._since, 1)
            log.info("service reachable again", service=self._service, after_seconds=seconds)
        self._failures = 0

    def failed(self, reason: object) -> None:
        """`reason` must not contain parts of the request."""
        self._failures += 1
        if self._failures == 1:
            self._since = self._monotonic()
        if self._failures == _FAILURES:
            log.warning("service unreachable", service=self._service, reason=str(reason))
