"""Packaged charts: unpacked in memory within limits."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib

from bot.model.errors import ManifestRefused

MAX_UNPACKED = 32 * 2**20
"""Bytes of all files of one chart."""
MAX_MEMBERS = 3000


def unpack(archive: bytes, where: str) -> dict[str, bytes]:
    """The files of a packaged chart by their paths inside of the chart's folder.

    Raises ManifestRefused, beginning with `where`, for links, for paths outside of the folder, and above
    the limits.
    """
    try:
        # Limited before tarfile reads headers, which may be large themselves.
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as compressed:
            content = compressed.read(MAX_UNPACKED + 1)
        if len(content) > MAX_UNPACKED:
            raise ManifestRefused(f"{where}: the chart is larger than {MAX_UNPACKED // 2**20} MiB unpacked.")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            return _files(tar, where)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError):
        raise ManifestRefused(f"{where}: not a packaged chart (a gzip-compressed tar archive).") from None


def _files(tar: tarfile.TarFile, where: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    folders: set[str] = set()
    for number, member in enumerate(tar):
        if number == MAX_MEMBERS:
            raise ManifestRefused(f"{where}: the chart has more than {MAX_MEMBERS} files.")
        if member.isdir():
            continue
        name = member.name.removeprefix("./")
        if not member.isfile():
            raise ManifestRefused(f"{where}: `{name[:100]}` in the chart is a link or a special file.")
        folder, _, path = name.partition("/")
        if any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name or not path:
            raise ManifestRefused(f"{where}: `{name[:100]}` in the chart leads out of the chart's folder.")
        folders.add(folder)
        opened = tar.extractfile(member)
        files[path] = opened.read() if opened is not None else b""
    if len(folders) != 1:
        raise ManifestRefused(f"{where}: a packaged chart consists of one folder.")
    return files
