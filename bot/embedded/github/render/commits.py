"""Commits, trees, file changes and comparisons."""

from __future__ import annotations

from bot.embedded.github.state.changes import Change, changes, commit_changes
from bot.embedded.github.state.objects import Commit, Signature, Tag
from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.world import World

from .accounts import user
from .basics import Json, node_id, stamp
from .repositories import page, url

_UNSIGNED: Json = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def _person(who: Signature) -> Json:
    return {"name": who.name, "email": who.email, "date": stamp(who.at)}


def git_commit(world: World, repository: Repository, commit: Commit) -> Json:
    """The answer of GET /git/commits/SHA."""
    api, web = url(world, repository), page(world, repository)
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "url": f"{api}/git/commits/{commit.sha}",
        "html_url": f"{web}/commit/{commit.sha}",
        "author": _person(commit.author),
        "committer": _person(commit.committer),
        "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
        "message": commit.message,
        "parents": _parents(world, repository, commit),
        "verification": _UNSIGNED,
    }


def git_tag(world: World, repository: Repository, tag: Tag) -> Json:
    """The answer of GET /git/tags/SHA."""
    api = url(world, repository)
    return {
        "node_id": node_id("Tag", tag.sha),
        "sha": tag.sha,
        "url": f"{api}/git/tags/{tag.sha}",
        "tag": tag.name,
        "message": tag.message,
        "tagger": _person(tag.tagger),
        "object": {"sha": tag.commit, "type": "commit", "url": f"{api}/git/commits/{tag.commit}"},
        "verification": _UNSIGNED,
    }


def _parents(world: World, repository: Repository, commit: Commit) -> list[Json]:
    api, web = url(world, repository), page(world, repository)
    return [{"sha": p, "url": f"{api}/commits/{p}", "html_url": f"{web}/commit/{p}"} for p in commit.parents]


def commit(world: World, repository: Repository, commit: Commit) -> Json:
    """A commit of a list, without its files."""
    api = url(world, repository)
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "commit": {
            "author": _person(commit.author),
            "committer": _person(commit.committer),
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
            "url": f"{api}/git/commits/{commit.sha}",
            "comment_count": 0,
            "verification": _UNSIGNED,
        },
        "url": f"{api}/commits/{commit.sha}",
        "html_url": f"{page(world, repository)}/commit/{commit.sha}",
        "comments_url": f"{api}/commits/{commit.sha}/comments",
        "author": user(world, commit.author.login) if commit.author.login else None,
        "committer": user(world, commit.committer.login) if commit.committer.login else None,
        "parents": _parents(world, repository, commit),
    }


def full_commit(world: World, repository: Repository, record: Commit) -> Json:
    """The answer of GET /commits/REF."""
    changed = commit_changes(world.git(repository), record)
    added, removed = sum(c.additions for c in changed), sum(c.deletions for c in changed)
    return commit(world, repository, record) | {
        "stats": {"total": added + removed, "additions": added, "deletions": removed},
        "files": [file(world, repository, record.sha, change) for change in changed],
    }


def file(world: World, repository: Repository, sha: str, change: Change) -> Json:
    web, api = page(world, repository), url(world, repository)
    answer: Json = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{web}/blob/{sha}/{change.path}",
        "raw_url": f"{web}/raw/{sha}/{change.path}",
        "contents_url": f"{api}/contents/{change.path}?ref={sha}",
    }
    if change.patch is not None:
        answer["patch"] = change.patch
    if change.previous_path is not None:
        answer["previous_filename"] = change.previous_path
    return answer


def pushed(world: World, repository: Repository, commit: Commit) -> Json:
    """A commit as the push webhook tells it."""
    changed = commit_changes(world.git(repository), commit)
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.author.at.isoformat(),
        "url": f"{page(world, repository)}/commit/{commit.sha}",
        "author": _pusher(commit.author),
        "committer": _pusher(commit.committer),
        "added": [c.path for c in changed if c.status in ("added", "renamed")],
        "removed": [c.path for c in changed if c.status == "removed"],
        "modified": [c.path for c in changed if c.status == "modified"],
    }


def _pusher(who: Signature) -> Json:
    person: Json = {"name": who.name, "email": who.email, "date": who.at.isoformat()}
    if who.login:
        person["username"] = who.login
    return person


def head_commit(commit: Commit) -> Json:
    """A commit as a check suite tells it."""
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": stamp(commit.committer.at),
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
    }


def comparison(world: World, repository: Repository, base: str, head: str) -> Json | None:
    """The answer of GET /compare; None when the two have no common ancestor."""
    objects, api, web = world.git(repository), url(world, repository), page(world, repository)
    origin = objects.merge_base(base, head)
    if origin is None:
        return None
    ahead, behind = objects.between(base, head), objects.between(head, base)
    status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    changed = changes(objects, objects.commits[origin].tree, objects.commits[head].tree)
    return {
        "url": f"{api}/compare/{base}...{head}",
        "html_url": f"{web}/compare/{base}...{head}",
        "permalink_url": f"{web}/compare/{base}...{head}",
        "diff_url": f"{web}/compare/{base}...{head}.diff",
        "patch_url": f"{web}/compare/{base}...{head}.patch",
        "base_commit": commit(world, repository, objects.commits[base]),
        "merge_base_commit": commit(world, repository, objects.commits[origin]),
        "status": status.get((bool(ahead), bool(behind)), "identical"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit(world, repository, c) for c in ahead],
        "files": [file(world, repository, head, c) for c in changed],
    }
