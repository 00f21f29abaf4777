"""Advisory file lock that shows which processes use a SQLite database.

Each process that works holds the lock shared; the kernel releases it however the process ends. A process that
gets it exclusively knows that no other process works.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class ProcessLock:
    """Blocking calls. On a file system without locks `acquire_exclusive` never succeeds."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}-lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire_exclusive(self) -> bool:
        """Whether no other process holds the lock; if so, others wait until `acquire_shared` is called."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def acquire_shared(self) -> None:
        """Waits for the end of an exclusive lock, then holds the lock shared until `close`."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self._file)
