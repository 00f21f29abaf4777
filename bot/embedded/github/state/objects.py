"""Git objects with the SHAs that git itself would give them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

REGULAR, EXECUTABLE, SYMLINK, DIRECTORY = "100644", "100755", "120000", "040000"


@dataclass(frozen=True)
class File:
    """A file with its git mode; a symlink's content is its target."""

    content: bytes
    mode: str = REGULAR


@dataclass(frozen=True)
class Entry:
    """An entry of a tree."""

    mode: str
    sha: str


@dataclass(frozen=True)
class Signature:
    name: str
    email: str
    at: datetime
    login: str | None


@dataclass(frozen=True)
class Commit:
    sha: str
    tree: str
    parents: list[str]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True)
class Tag:
    """An annotated tag: an object of its own that points to a commit."""

    sha: str
    name: str
    commit: str
    tagger: Signature
    message: str


Files = Mapping[str, File | bytes | str]
"""The files of a commit: path → content."""


def as_file(content: File | bytes | str) -> File:
    if isinstance(content, File):
        return content
    return File(content.encode() if isinstance(content, str) else content)


@dataclass
class Objects:
    """The object store of one network of forks."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, dict[str, Entry]] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)

    def write_blob(self, content: bytes) -> str:
        sha = _sha("blob", content)
        self.blobs[sha] = content
        return sha

    def write_tree(self, paths: Mapping[str, Entry]) -> str:
        """Store the tree of flat PATH → blob entries, with its subtrees. Returns its SHA."""
        level: dict[str, Entry] = {}
        below: dict[str, dict[str, Entry]] = {}
        for path, entry in paths.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                level[name] = entry
        for name, inner in below.items():
            level[name] = Entry(DIRECTORY, self.write_tree(inner))
        # git sorts a directory as if its name ended in a slash
        ordered = dict(sorted(level.items(), key=lambda e: e[0] + "/" * (e[1].mode == DIRECTORY)))
        raw = b"".join(
            f"{e.mode.lstrip('0')} {name}".encode() + b"\0" + bytes.fromhex(e.sha)
            for name, e in ordered.items()
        )
        sha = _sha("tree", raw)
        self.trees[sha] = ordered
        return sha

    def write_commit(
        self,
        tree: str,
        parents: Iterable[str],
        author: Signature,
        message: str,
        *,
        by: Signature | None = None,
    ) -> Commit:
        committer = by or author
        parents = list(parents)
        lines = [f"tree {tree}", *(f"parent {p}" for p in parents)]
        lines += [f"author {_stamp(author)}", f"committer {_stamp(committer)}", "", message]
        sha = _sha("commit", "\n".join(lines).encode())
        return self.commits.setdefault(sha, Commit(sha, tree, parents, author, committer, message))

    def write_tag(self, name: str, commit: str, tagger: Signature, message: str) -> Tag:
        lines = [f"object {commit}", "type commit", f"tag {name}", f"tagger {_stamp(tagger)}", "", message]
        sha = _sha("tag", "\n".join(lines).encode())
        return self.tags.setdefault(sha, Tag(sha, name, commit, tagger, message))

    def peeled(self, sha: str) -> str:
        """The commit that a tag points to; any other object is itself."""
        return self.tags[sha].commit if sha in self.tags else sha

    def entry(self, tree: str, path: str) -> Entry | None:
        """The entry at a path; the tree itself at ""."""
        entry: Entry | None = Entry(DIRECTORY, tree)
        for name in path.split("/") if path else []:
            entry = self.trees[entry.sha].get(name) if entry and entry.mode == DIRECTORY else None
        return entry

    def touched(self, sha: str, path: str) -> bool:
        """Whether the commit changed the path compared with each of its parents."""
        commit = self.commits[sha]
        own = self.entry(commit.tree, path)
        before = [self.entry(self.commits[parent].tree, path) for parent in commit.parents]
        return all(own != item for item in before) if before else own is not None

    def write_files(self, files: Files) -> dict[str, Entry]:
        entries = {}
        for path, content in files.items():
            file = as_file(content)
            entries[path] = Entry(file.mode, self.write_blob(file.content))
        return entries

    def paths(self, tree: str) -> dict[str, Entry]:
        """All files below a tree, as flat PATH → blob entries."""
        return {path: entry for path, entry in self.walk(tree) if entry.mode != DIRECTORY}

    def walk(self, tree: str, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        for name, entry in self.trees[tree].items():
            yield prefix + name, entry
            if entry.mode == DIRECTORY:
                yield from self.walk(entry.sha, f"{prefix}{name}/")

    def files(self, commit: str) -> dict[str, bytes]:
        """PATH → content of every file of a commit."""
        return {path: self.blobs[e.sha] for path, e in self.paths(self.commits[commit].tree).items()}

    def ancestors(self, sha: str) -> dict[str, int]:
        """Every commit that can be reached, newest first, with its distance."""
        distance = {sha: 0}
        queue = [sha]
        for current in queue:
            for parent in self.commits[current].parents:
                if parent not in distance:
                    distance[parent] = distance[current] + 1
                    queue.append(parent)
        return distance

    def merge_base(self, first: str, other: str) -> str | None:
        mine = self.ancestors(first)
        return next((sha for sha in self.ancestors(other) if sha in mine), None)

    def between(self, base: str, head: str) -> list[Commit]:
        """Commits that HEAD has and BASE has not, oldest first."""
        known_commits = self.ancestors(base)
        return [self.commits[sha] for sha in reversed(self.ancestors(head)) if sha not in known_commits]


def _sha(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _stamp(signature: Signature) -> str:
    return f"{signature.name} <{signature.email}> {int(signature.at.timestamp())} +0000"
