"""Follows symbolic links between the files of a commit. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping

from bot.model.commit_files import is_inside
from bot.model.errors import Rejected

_MAX_HOPS = 40
"""Links in one path; Linux has the same limit."""


class Links:
    """Finds the files behind links. Each path behind a link gets the content of its target."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        problems: Mapping[str, str],
        links: Mapping[str, str],
        covered: Collection[str],
        most: int,
    ) -> None:
        self._files, self._problems, self._links = files, problems, links
        self._covered = covered
        self._most = most
        self._paths = sorted({*files, *problems, *links})
        self.files: dict[str, bytes] = {}
        """Contents by their paths behind links."""
        self.problems: dict[str, str] = {}
        self.missing: set[str] = set()
        """Targets that were not read."""
        self.followed: set[str] = set()

    def follow(self, folders: Collection[str]) -> None:
        """Follows the links in the folders and those that lead to the folders."""
        for link in self._links:
            if any(is_inside(link, folder) or is_inside(folder, link) for folder in folders):
                self._follow(link, link, ())

    def _follow(self, alias: str, link: str, chain: tuple[str, ...]) -> None:
        """Adds what is behind a link under the path `alias`; `chain` are the links on the way to it."""
        self.followed.add(link)
        if len(self.files) + len(self.problems) > self._most:
            raise Rejected(f"Symbolic links lead to more than {self._most:,} files.")
        shown = f"is a symbolic link to {self._links[link]}"
        target = self._resolve(link)
        if target is None:
            self.problems[alias] = f"{shown}, which is outside of the repository"
        elif link in chain or len(chain) > _MAX_HOPS or target in self._links:
            self.problems[alias] = f"{shown}, which leads to itself"
        elif target in self._files:
            self.files[alias] = self._files[target]
        elif target in self._problems:
            self.problems[alias] = f"{shown}, which {self._problems[target]}"
        elif not any(is_inside(target, folder) for folder in self._covered):
            self.missing.add(target)
        else:
            self._follow_folder(alias, target, shown, (*chain, link))

    def _follow_folder(self, alias: str, folder: str, shown: str, chain: tuple[str, ...]) -> None:
        inside = list(self._inside(folder))
        if not inside:
            self.problems[alias] = f"{shown}, which does not exist in this commit"
        for path in inside:
            behind = f"{alias}/{path[len(folder) + 1 :] if folder else path}"
            if path in self._links:
                self._follow(behind, path, chain)
            elif path in self._problems:
                self.problems[behind] = self._problems[path]
            else:
                self.files[behind] = self._files[path]

    def _inside(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        for index in range(bisect_left(self._paths, prefix), len(self._paths)):
            if not self._paths[index].startswith(prefix):
                return
            yield self._paths[index]

    def _resolve(self, path: str) -> str | None:
        """The path without links; None outside of the repository. A link remains if links form a circle."""
        parts: list[str] = []
        pending = path.split("/")[::-1]
        hops = 0
        while pending:
            part = pending.pop()
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
                target = self._links.get("/".join(parts))
                if target is not None:
                    hops += 1
                    if hops > _MAX_HOPS:
                        break
                    if target.startswith("/"):
                        return None
                    parts.pop()
                    pending += target.split("/")[::-1]
        return "/".join(parts)
