"""Files of a repository: the configuration on its default branch, and all files of one commit."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import IO
from urllib.parse import quote

import httpx

from bot.github.client.cache import Bounded
from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.resources.tarball import LIMITS, MIB, unpack
from bot.github.resources.visibility import require_visible
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository

_RAW = "application/vnd.github.raw+json"
_CACHE_SECONDS = 60.0
_MISSING_CACHE_SECONDS = 5.0
"""A configuration that was just added should not stay unseen for long."""
_MAX_TEXT_BYTES = MIB
_MAX_CACHED_BYTES = 64 * MIB
_MAX_IN_MEMORY = 4 * MIB
"""A larger archive waits on the disk until it is unpacked, in a file without a name."""

Files = Mapping[str, bytes]


class Contents:
    def __init__(self, client: GitHubClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._texts: Bounded[int, dict[str, tuple[float, str | None]]] = Bounded(
            8 * MIB, lambda kept: sum(len(text or "") + 200 for _, text in kept.values())
        )
        self._commits: Bounded[tuple[int, str], Files] = Bounded(
            _MAX_CACHED_BYTES, lambda files: sum(len(path) + len(data) + 100 for path, data in files.items())
        )
        self._unpacking = asyncio.Semaphore(2)

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        """The file's text, at most a minute old; None when there is none and the repository is seen."""
        known = self._texts.get(repository.id) or {}
        if path in known and self._monotonic() < known[path][0]:
            return known[path][1]
        found = await self._read(repository, path)
        fresh = _CACHE_SECONDS if found is not None else _MISSING_CACHE_SECONDS
        self._texts.put(repository.id, {**known, path: (self._monotonic() + fresh, found)})
        return found

    def forget(self, repository: Repository) -> None:
        """The next read of a file of its default branch asks GitHub, at no cost when nothing changed."""
        self._texts.drop(repository.id)

    async def _read(self, repository: Repository, path: str) -> str | None:
        asked = f"/repos/{repository.full_name}/contents/{quote(path)}"
        try:
            reply = await self._client.get(repository.installation_id, asked, accept=_RAW)
        except NotFound:
            # Nothing to see is no evidence that there is nothing.
            await require_visible(self._client, repository)
            return None
        if len(reply.content) > _MAX_TEXT_BYTES:
            raise Rejected(f"{path} on the default branch is larger than 1 MiB.")
        try:
            return reply.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Rejected(f"{path} on the default branch is not UTF-8 text.") from None

    async def files(self, repository: Repository, commit: str) -> Files:
        """All regular files of the commit by path, capped; Rejected when it is too large."""
        key = (repository.id, commit)
        kept = self._commits.get(key)
        if kept is not None:
            return kept
        async with self._unpacking:
            with tempfile.SpooledTemporaryFile(max_size=_MAX_IN_MEMORY) as archive:
                await self._download(repository, commit, archive)
                archive.seek(0)
                files = await asyncio.to_thread(unpack, archive)
        self._commits.put(key, files)
        return files

    async def _download(self, repository: Repository, commit: str, archive: IO[bytes]) -> None:
        path = f"/repos/{repository.full_name}/tarball/{quote(commit, safe='')}"
        size = 0
        async with self._client.stream(repository.installation_id, path) as answer:
            try:
                # Raw: the archive itself is compressed, and a second layer could be a bomb.
                async for piece in answer.aiter_raw():
                    size += len(piece)
                    if size > LIMITS.compressed:
                        raise Rejected("The commit's archive is larger than 50 MiB.")
                    archive.write(piece)
            except httpx.HTTPError as error:
                raise Unavailable(f"The download of the commit broke off ({type(error).__name__}).") from None
