"""Selects files of a commit: those of the folders that are needed, with symbolic links followed.

The rest of the repository is kept as well while it is small; its files may be needed later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from bot.github.resources.links import Links
from bot.model.commit_files import CommitFiles, is_inside
from bot.model.errors import Rejected

MIB = 1024 * 1024
_MAX_PASSES = 8
"""How often links may lead to folders that were not read."""
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_MAX_POINTER = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """For each folder that is needed, unless stated otherwise."""

    files: int = 20_000
    unpacked: int = 200 * MIB
    file: int = 5 * MIB
    """Size of one file."""
    archive: int = 300 * MIB
    """Compressed size of the whole commit."""
    archive_unpacked: int = 4096 * MIB
    """Unpacked size of the whole commit, which is read but not kept."""
    archive_files: int = 500_000


LIMITS = Limits()


class Kind(Enum):
    FILE = auto()
    LINK = auto()
    OTHER = auto()
    """A device, a pipe, a hard link or a file with an unsupported name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file or link of the commit."""

    path: str
    kind: Kind
    size: int = 0
    target: str = ""
    """Target of a link, as written."""
    read: Callable[[], bytes] = bytes


Scan = Callable[[], Iterable[Member]]
"""Starts to read the commit's members from the beginning."""


def select(scan: Scan, folders: Collection[str], limits: Limits = LIMITS) -> CommitFiles:
    """The files of the folders, and of the whole commit if it is within the limits of one folder.

    Raises Rejected for a folder above the limits.
    """
    needed = frozenset(folders)
    for _ in range(_MAX_PASSES):
        content = _read(scan, needed, limits)
        links = Links(content.files, content.problems, content.links, content.covered, limits.files)
        links.follow(needed)
        if not links.missing:
            unfollowed = frozenset(content.links) - links.followed
            return CommitFiles(
                {**content.files, **links.files},
                tuple(content.covered),
                {**content.problems, **links.problems},
                unfollowed,
                frozenset(links.problems),
            )
        needed |= links.missing
    raise Rejected(f"Symbolic links lead through more than {_MAX_PASSES} folders of the commit.")


@dataclass(slots=True)
class _Content:
    covered: frozenset[str]
    files: dict[str, bytes] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class _Budget:
    """Counts the files of each folder."""

    def __init__(self, folders: Collection[str], limits: Limits) -> None:
        self._limits = limits
        self._counts = dict.fromkeys(folders, 0)
        self._bytes = dict.fromkeys(folders, 0)

    def add(self, member: Member) -> bool:
        """Whether the file is in one of the folders. Raises Rejected above the limits of a folder."""
        inside = [folder for folder in self._counts if is_inside(member.path, folder)]
        for folder in inside:
            self._counts[folder] += 1
            self._bytes[folder] += min(member.size, self._limits.file)
            name = f"`{folder}`" if folder else "The commit"
            if self._counts[folder] > self._limits.files:
                raise Rejected(f"{name} has more than {self._limits.files:,} files.")
            if self._bytes[folder] > self._limits.unpacked:
                raise Rejected(f"{name} has more than {self._limits.unpacked // MIB} MiB.")
        return bool(inside)


def _read(scan: Scan, needed: frozenset[str], limits: Limits) -> _Content:
    content = _Content(needed)
    rest: _Content | None = _Content(frozenset())
    budget, left, room = _Budget(needed, limits), limits.files, limits.unpacked
    for number, member in enumerate(scan(), start=1):
        if number > limits.archive_files:
            raise Rejected(f"The commit has more than {limits.archive_files:,} files.")
        if member.kind is Kind.LINK:
            content.links[member.path] = member.target
        elif budget.add(member):
            _add(content, member, limits)
        elif rest is not None:
            left, room = left - 1, room - min(member.size, limits.file)
            rest = _add(rest, member, limits) if left >= 0 and room >= 0 else None
    if rest is not None:
        content.files |= rest.files
        content.problems |= rest.problems
        content.covered = frozenset(("",))
    return content


def _add(content: _Content, member: Member, limits: Limits) -> _Content:
    if member.kind is Kind.OTHER:
        content.problems[member.path] = "is not a regular file with a portable name"
    elif member.size > limits.file:
        content.problems[member.path] = f"is larger than {limits.file // MIB} MiB"
    else:
        data = member.read()
        if len(data) < _MAX_POINTER and data.startswith(_POINTER):
            content.problems[member.path] = (
                "is a Git LFS pointer, and Greenroom reads no LFS objects: commit the file itself"
            )
        else:
            content.files[member.path] = data
    return content
