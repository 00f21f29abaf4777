"""Who works on a SQLite file: a lock beside it, which the kernel keeps exactly as long as its process lives.

Everybody who works holds it shared. Whoever can have it for himself therefore knows that nobody works,
however the others ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class ProcessLock:
    """Blocking calls. On a file system without locks nobody is ever alone."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}-lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire_exclusive(self) -> bool:
        """Whether nobody else works on the file; if so nobody can begin before `share` was called."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def acquire_shared(self) -> None:
        """Counts this process among those who work, once nobody is alone any more."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self._file)
