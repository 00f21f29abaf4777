"""The files of a commit that were read, with the reasons for those that cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from bot.model.errors import GreenroomError, ManifestRefused


class FilesNeeded(GreenroomError):
    """A path of the commit was not read yet."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} was not read from the commit")
        self.path = path


@dataclass(frozen=True, slots=True, eq=False)
class CommitFiles(Mapping[str, bytes]):
    """Contents by path. Reading a file that cannot be used raises ManifestRefused with the reason."""

    contents: Mapping[str, bytes]
    folders: Collection[str] = ("",)
    """Files and folders that were read completely; "" is the root."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why a file cannot be used, such as `is larger than 5 MiB`."""
    links: Collection[str] = ()
    """Symbolic links that were not followed."""
    broken: Collection[str] = ()
    """Symbolic links with a problem; any of them could be a folder."""

    def __getitem__(self, path: str) -> bytes:
        if path in self.problems:
            raise ManifestRefused(f"{path} {self.problems[path]}.")
        return self.contents[path]

    def __iter__(self) -> Iterator[str]:
        yield from self.contents
        yield from self.problems

    def __len__(self) -> int:
        return len(self.contents) + len(self.problems)

    def __contains__(self, path: object) -> bool:
        return path in self.contents or path in self.problems

    def covers(self, path: str) -> bool:
        """Whether the path was read if the commit has it."""
        return any(is_inside(path, folder) for folder in self.folders) and not any(
            is_inside(path, link) for link in self.links
        )


def is_inside(path: str, folder: str) -> bool:
    """Whether the path is the folder or below it; "" is the root."""
    return folder in ("", path) or path.startswith(f"{folder}/")


def require_read(files: Mapping[str, bytes], path: str) -> None:
    """Raises FilesNeeded for a path that was not read yet, ManifestRefused for one behind a broken link."""
    if not isinstance(files, CommitFiles):
        return
    if not files.covers(path):
        raise FilesNeeded(path)
    for link in files.broken:
        if is_inside(path, link):
            files[link]


def broken_links(files: Mapping[str, bytes], folder: str) -> list[str]:
    """The broken links of a folder, or that the folder itself is behind."""
    links = files.broken if isinstance(files, CommitFiles) else ()
    return [link for link in links if is_inside(link, folder) or is_inside(folder, link)]
