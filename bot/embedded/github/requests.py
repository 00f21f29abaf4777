"""The log of API requests, for tests that count calls and writes."""

import re
import threading
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LoggedRequest:
    method: str
    path: str  # without /api/v3
    query: str
    status: int
    at: datetime

    @property
    def is_write(self) -> bool:
        """Changes something; minting a token does not count."""
        return self.method not in ("GET", "HEAD") and not self.path.endswith("/access_tokens")


class RequestLog:
    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()

    def add(self, entry: LoggedRequest) -> None:
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def calls(self, method: str | None = None, path: str = "") -> list[LoggedRequest]:
        """The requests so far, oldest first; PATH is a regular expression to be found in theirs."""
        with self._lock:
            entries = list(self._entries)
        return [e for e in entries if method in (None, e.method) and re.search(path, e.path)]

    @property
    def writes(self) -> list[LoggedRequest]:
        return [entry for entry in self.calls() if entry.is_write]
