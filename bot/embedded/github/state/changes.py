"""Differences of two trees and the merge of three. Pure functions over git objects."""

import difflib
from dataclasses import dataclass

from .objects import Commit, Entry, Objects


@dataclass(frozen=True)
class Change:
    path: str
    status: str  # added, modified, removed or renamed
    sha: str
    additions: int
    deletions: int
    patch: str | None
    previous_path: str | None = None


def changes(objects: Objects, old_tree: str | None, new_tree: str) -> list[Change]:
    """The changed files in the order of their paths; a file moved unchanged is `renamed`."""
    old = objects.paths(old_tree) if old_tree else {}
    new = objects.paths(new_tree)
    gone = {path: entry for path, entry in old.items() if path not in new}
    result = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        if after and not before and (source := next((p for p, e in gone.items() if e == after), None)):
            del gone[source]
            result.append(Change(path, "renamed", after.sha, 0, 0, None, source))
        else:
            result.append(_change(objects, path, before, after))
    moved = {change.previous_path for change in result}
    return [c for c in result if not (c.status == "removed" and c.path in moved)]


def _change(objects: Objects, path: str, before: Entry | None, after: Entry | None) -> Change:
    status = "modified" if before and after else "added" if after else "removed"
    old = objects.blobs[before.sha] if before else b""
    new = objects.blobs[after.sha] if after else b""
    sha = (after or before or Entry("", "")).sha
    try:
        lines = list(difflib.unified_diff(old.decode().splitlines(), new.decode().splitlines(), lineterm=""))[
            2:
        ]
    except UnicodeDecodeError:  # a binary file has no patch
        return Change(path, status, sha, 0, 0, None)
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    return Change(path, status, sha, added, removed, "\n".join(lines) or None)


def commit_changes(objects: Objects, commit: Commit) -> list[Change]:
    parent = objects.commits[commit.parents[0]].tree if commit.parents else None
    return changes(objects, parent, commit.tree)


def merge_trees(objects: Objects, base: str, ours: str, theirs: str) -> str | None:
    """Merge by whole files. Returns the new tree, or None when both sides changed one file differently."""
    start, left, right = objects.paths(base), objects.paths(ours), objects.paths(theirs)
    merged: dict[str, Entry] = {}
    for path in start.keys() | left.keys() | right.keys():
        origin, mine, other = start.get(path), left.get(path), right.get(path)
        if mine != origin and other != origin and mine != other:
            return None
        chosen = mine if mine != origin else other
        if chosen:
            merged[path] = chosen
    return objects.write_tree(merged)
