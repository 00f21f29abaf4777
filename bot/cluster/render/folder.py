"""A temporary folder with files of a commit, for a tool to read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from bot.model.errors import ManifestRefused

COMMIT = "commit"
"""Subfolder with the root of the repository."""


@contextlib.asynccontextmanager
async def private_folder(files: Mapping[str, bytes]) -> AsyncIterator[Path]:
    """Creates a folder that only the bot's user can read, and removes it at the end.

    Writes regular files only. Raises ManifestRefused for a path outside of the repository.
    """
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="greenroom-render-"))
    try:
        await asyncio.to_thread(_write, folder / COMMIT, files)
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    root.mkdir()
    for path, content in files.items():
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ManifestRefused(f"The path {path!r} leads out of the repository.")
        target = root.joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(target, flags, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            raise ManifestRefused(f"The file {path!r} cannot be written ({error.strerror}).") from None
