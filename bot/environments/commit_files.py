"""Reads the files of a commit that the manifests of a configuration need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from bot.config.schema import Configuration
from bot.environments.ports import ContentReader
from bot.environments.render_request import needed_folders
from bot.model.commit_files import FilesNeeded
from bot.model.errors import ManifestRefused
from bot.model.repository import Repository

_MAX_READS = 20
"""How often references may lead to folders that were not read."""

Result = TypeVar("Result")


async def with_files(
    contents: ContentReader,
    repository: Repository,
    commit: str,
    configuration: Configuration,
    use: Callable[[Mapping[str, bytes]], Awaitable[Result]],
) -> Result:
    """Calls `use` with the files, again with more of them while it raises FilesNeeded."""
    folders = set(needed_folders(configuration))
    for _ in range(_MAX_READS):
        try:
            return await use(await contents.files(repository, commit, folders))
        except FilesNeeded as needed:
            folders.add(needed.path)
    raise ManifestRefused(f"The manifests refer to more than {_MAX_READS} folders of a large repository.")
