"""Files of a repository: single ones of the default branch, and all files of a commit."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import IO
from urllib.parse import quote

import httpx
from cachetools import LRUCache

from bot.clients.cache import VersionedCache
from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.resources.selection import LIMITS, MIB
from bot.github.resources.tarball import unpack
from bot.github.resources.visibility import require_visible
from bot.model.commit_files import CommitFiles
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository

_RAW = "application/vnd.github.raw+json"
_CACHE_SECONDS = 60.0
_MISSING_CACHE_SECONDS = 5.0
"""Shorter, so that a newly added file is found soon."""
_MAX_TEXT_BYTES = MIB
_MAX_CACHED_BYTES = 64 * MIB
_MAX_IN_MEMORY = 4 * MIB
"""A larger archive is written to an unnamed temporary file until it is unpacked."""


class Contents:
    """Reads and caches files."""

    def __init__(self, client: GitHubClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._texts: VersionedCache[str | None] = VersionedCache(
            8 * MIB, lambda text: len(text or "") + 200, monotonic
        )
        """Texts of files of the default branch, by repository."""
        self._commits: LRUCache[tuple[int, str], CommitFiles] = LRUCache(_MAX_CACHED_BYTES, _size)
        self._unpacking = asyncio.Semaphore(2)
        self._reads: dict[tuple[int, str, frozenset[str]], asyncio.Task[CommitFiles]] = {}
        """Downloads in progress, by repository, commit and folders."""

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        """The file's text, at most a minute old.

        None only when the App can see the repository and it has no such file.
        """

        async def read() -> tuple[str | None, float]:
            text = await self._read(repository, path)
            return text, _CACHE_SECONDS if text is not None else _MISSING_CACHE_SECONDS

        return await self._texts.get(repository.id, path, read)

    def forget(self, repository: Repository) -> None:
        """The next read of a file of the default branch asks GitHub, by a conditional request."""
        self._texts.forget(repository.id)

    async def _read(self, repository: Repository, path: str) -> str | None:
        endpoint = f"/repos/{repository.full_name}/contents/{quote(path)}"
        try:
            reply = await self._client.get(repository.installation_id, endpoint, accept=_RAW)
        except NotFound:
            # A 404 alone does not prove that the file is missing.
            await require_visible(self._client, repository)
            return None
        if len(reply.content) > _MAX_TEXT_BYTES:
            raise Rejected(f"{path} on the default branch is larger than 1 MiB.")
        try:
            return reply.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Rejected(f"{path} on the default branch is not UTF-8 text.") from None

    async def files(self, repository: Repository, commit: str, folders: Collection[str]) -> CommitFiles:
        """The files of these files and folders of the commit, and of others that were read with them.

        Raises Rejected when a folder exceeds a limit.
        """
        key = (repository.id, commit)
        cached = self._commits.get(key)
        if cached is not None:
            if all(cached.covers(folder) for folder in folders):
                return cached
            folders = {*folders, *filter(None, cached.folders)}
        request = (*key, frozenset(folders))
        read = self._reads.get(request)
        if read is None:
            read = self._reads[request] = asyncio.create_task(self._read_commit(repository, commit, folders))
            read.add_done_callback(lambda _: self._reads.pop(request, None))
        # A cancelled reader does not end the download for the others.
        return await asyncio.shield(read)

    async def _read_commit(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> CommitFiles:
        async with self._unpacking:
            with tempfile.SpooledTemporaryFile(max_size=_MAX_IN_MEMORY) as archive:
                await self._download(repository, commit, archive)
                files = await asyncio.to_thread(unpack, archive, folders)
        with suppress(ValueError):  # larger than the cache
            self._commits[repository.id, commit] = files
        return files

    async def _download(self, repository: Repository, commit: str, archive: IO[bytes]) -> None:
        path = f"/repos/{repository.full_name}/tarball/{quote(commit, safe='')}"
        size = 0
        async with self._client.stream(repository.installation_id, path) as response:
            try:
                # Raw, because a second layer of compression could be a bomb.
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > LIMITS.archive:
                        raise Rejected(f"The commit's archive is larger than {LIMITS.archive // MIB} MiB.")
                    archive.write(chunk)
            except httpx.HTTPError as error:
                raise Unavailable(
                    f"The download of the commit was interrupted ({type(error).__name__})."
                ) from None


def _size(files: CommitFiles) -> int:
    return sum(len(path) + len(content) + 100 for path, content in files.contents.items())
