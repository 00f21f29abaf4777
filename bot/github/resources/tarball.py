"""Unpacks a commit's tarball into memory; its contents are untrusted."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from bot.model.errors import Rejected, Unavailable

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    compressed: int = 50 * MIB
    unpacked: int = 200 * MIB
    entries: int = 20_000
    file: int = 5 * MIB
    """Larger files are skipped: no manifest is that large."""


LIMITS = Limits()


def unpack(archive: IO[bytes], limits: Limits = LIMITS) -> Mapping[str, bytes]:
    """The regular files by path below GitHub's top folder.

    Links, devices and paths outside the folder are skipped. Raises Rejected for an archive over the limits,
    Unavailable for an incomplete one.
    """
    files: dict[str, bytes] = {}
    entries = size = 0
    try:
        with tarfile.open(
            fileobj=_LimitedReader(archive, limits.unpacked), mode="r|", bufsize=64 * 1024
        ) as tar:
            for member in tar:
                entries += 1
                if entries > limits.entries:
                    raise Rejected(f"The commit has more than {limits.entries:,} files and folders.")
                path = _path(member.name)
                if path is None or not member.isreg() or member.size > limits.file:
                    continue
                size += member.size  # of a sparse file, more than was read
                if size > limits.unpacked:
                    raise _too_large()
                content = tar.extractfile(member)
                assert content is not None, "it is a regular file"
                files[path] = content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Unavailable(f"The commit's archive cannot be read ({type(error).__name__}).") from None
    return files


class _LimitedReader(io.RawIOBase):
    """Reads a gzip stream up to a number of unpacked bytes."""

    def __init__(self, archive: IO[bytes], limit: int) -> None:
        self._unpacked = gzip.GzipFile(fileobj=archive, mode="rb")
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        chunk = self._unpacked.read(size if size >= 0 else self._left + 1)
        self._left -= len(chunk)
        if self._left < 0:
            raise _too_large()
        return chunk


def _too_large() -> Rejected:
    return Rejected("The commit unpacks to more than 200 MiB.")


def _path(name: str) -> str | None:
    """The path below the top folder; None for the folder itself and for unsafe paths."""
    parts = name.split("/")[1:]
    if not parts or not parts[-1] or name.startswith("/"):
        return None
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        return None
    return "/".join(parts)
