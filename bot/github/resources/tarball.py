"""Unpacks a commit's tarball into memory; its contents are untrusted."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO

from bot.github.resources.selection import LIMITS, MIB, Kind, Limits, Member, select
from bot.model.commit_files import CommitFiles
from bot.model.errors import Rejected, Unavailable


def unpack(archive: IO[bytes], folders: Collection[str] = ("",), limits: Limits = LIMITS) -> CommitFiles:
    """The files of the folders by path below GitHub's top folder; see `select`.

    Raises Rejected for folders or an archive over the limits, Unavailable for an incomplete archive.
    """
    try:
        return select(lambda: _members(archive, limits), folders, limits)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Unavailable(f"The commit's archive cannot be read ({type(error).__name__}).") from None


def _members(archive: IO[bytes], limits: Limits) -> Iterator[Member]:
    archive.seek(0)
    stream = _LimitedReader(archive, limits.archive_unpacked)
    with tarfile.open(fileobj=stream, mode="r|", bufsize=64 * 1024) as tar:
        for info in tar:
            path = _path(info.name)
            if path is not None and not info.isdir():
                yield _member(tar, info, path)


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, path: str) -> Member:
    def read() -> bytes:
        content = tar.extractfile(info)
        assert content is not None, "it is a regular file"
        return content.read()

    portable = "\\" not in path and "\N{REPLACEMENT CHARACTER}" not in path
    if info.issym() and portable:
        return Member(path, Kind.LINK, target=info.linkname)
    # A sparse file of 1 kB can have any size.
    regular = info.isreg() and not info.issparse() and portable
    return Member(path, Kind.FILE if regular else Kind.OTHER, info.size if regular else 0, read=read)


class _LimitedReader(io.RawIOBase):
    """Reads a gzip stream up to a number of unpacked bytes."""

    def __init__(self, archive: IO[bytes], limit: int) -> None:
        self._unpacked = gzip.GzipFile(fileobj=archive, mode="rb")
        self._left = self._limit = limit

    def read(self, size: int = -1) -> bytes:
        chunk = self._unpacked.read(size if size >= 0 else self._left + 1)
        self._left -= len(chunk)
        if self._left < 0:
            raise Rejected(f"The commit unpacks to more than {self._limit // MIB:,} MiB.")
        return chunk


def _path(name: str) -> str | None:
    """The path below the top folder; None for the folder itself and for paths that git does not allow."""
    parts = name.split("/")[1:]
    if not parts or not parts[-1] or name.startswith("/"):
        return None
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        return None
    return "/".join(parts).encode(errors="surrogateescape").decode(errors="replace")
