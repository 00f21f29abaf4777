"""Finds out why the file of a SQLite database cannot be used, and what to do. Never raises."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_SUFFIXES = ("", "-wal", "-shm", "-lock")
_SETTING = "GREENROOM_DATABASE_URL"


def unusable_reason(path: Path) -> str:
    """The reason with advice, without a period."""
    folder = path.parent
    return (
        _folder_problem(folder)
        or next(
            (problem for suffix in _SUFFIXES if (problem := _file_problem(Path(f"{path}{suffix}")))), None
        )
        or _space_problem(folder)
        or f"check the file, and that the directory {folder} is writable for user {os.geteuid()}"
    )


def _folder_problem(folder: Path) -> str | None:
    try:
        status = folder.stat()
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except (FileNotFoundError, NotADirectoryError):
        return f"the directory {folder} does not exist; create it, or set another path in {_SETTING}"
    except OSError as error:
        return f"{_user()} cannot open the directory {folder} ({error.strerror}); {_ownership(folder)}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a directory; set another path in {_SETTING}"
    if read_only:
        return f"the directory {folder} is read-only; mount it writable, or set another path in {_SETTING}"
    return _owner_problem(folder, status, os.W_OK | os.X_OK)


def _file_problem(file: Path) -> str | None:
    try:
        status = file.stat()
    except OSError:
        return None  # it is created
    if not stat.S_ISREG(status.st_mode):
        return f"{file} is not a file; remove it, or set another path in {_SETTING}"
    return _owner_problem(file, status, os.R_OK | os.W_OK)


def _owner_problem(path: Path, status: os.stat_result, mode: int) -> str | None:
    if os.access(path, mode, effective_ids=os.access in os.supports_effective_ids):
        return None
    title, action, folder = f"the file {path}", "read and write it", path.parent
    if stat.S_ISDIR(status.st_mode):
        title, action, folder = f"the directory {path}", "write to it", path
    return f"{title} belongs to user {status.st_uid}, and {_user()} cannot {action}; {_ownership(folder)}"


def _space_problem(folder: Path) -> str | None:
    try:
        free = os.statvfs(folder)
    except OSError:
        return None
    if not free.f_bavail:
        return f"the disk under {folder} is full; free some space"
    return f"the disk under {folder} has no free inodes" if free.f_files and not free.f_favail else None


def _user() -> str:
    return f"user {os.geteuid()}, which runs Greenroom,"


def _ownership(folder: Path) -> str:
    return (
        f"in Kubernetes set `fsGroup: {os.getegid()}` in the pod's securityContext, "
        f"elsewhere run `chown -R {os.geteuid()} {folder}`"
    )
