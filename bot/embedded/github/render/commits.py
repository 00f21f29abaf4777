"""Payloads of commits, tags, file changes and comparisons."""

from bot.embedded.github.state.changes import Change, changes, commit_changes
from bot.embedded.github.state.objects import Commit, Signature, Tag
from bot.embedded.github.state.records import Push, Repository
from bot.embedded.github.state.world import World

from .accounts import user
from .basics import Json, fill, node_id, stamp
from .repositories import page, url


def _person(signature: Signature) -> Json:
    return {"name": signature.name, "email": signature.email, "date": stamp(signature.at)}


def _account(world: World, signature: Signature) -> Json | None:
    return user(world, signature.login) if signature.login else None


def _filled(template: str, world: World, repository: Repository, commit: Commit) -> Json:
    api, web = url(world, repository), page(world, repository)
    return fill(
        template,
        commit=commit,
        api=api,
        page=web,
        author=_person(commit.author),
        committer=_person(commit.committer),
        author_account=_account(world, commit.author),
        committer_account=_account(world, commit.committer),
        parents=[
            {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{web}/commit/{sha}"}
            for sha in commit.parents
        ],
    )


def git_commit(world: World, repository: Repository, commit: Commit) -> Json:
    """The response to GET /git/commits/SHA."""
    return _filled("git_commit", world, repository, commit)


def git_tag(world: World, repository: Repository, tag: Tag) -> Json:
    """The response to GET /git/tags/SHA."""
    return fill("git_tag", tag=tag, api=url(world, repository), tagger=_person(tag.tagger))


def commit(world: World, repository: Repository, commit: Commit) -> Json:
    """A commit of a list, without its files."""
    return _filled("commit", world, repository, commit)


def full_commit(world: World, repository: Repository, record: Commit) -> Json:
    """The response to GET /commits/REF."""
    changed = commit_changes(world.git(repository), record)
    added, removed = sum(c.additions for c in changed), sum(c.deletions for c in changed)
    return commit(world, repository, record) | {
        "stats": {"total": added + removed, "additions": added, "deletions": removed},
        "files": [file(world, repository, record.sha, change) for change in changed],
    }


def file(world: World, repository: Repository, sha: str, change: Change) -> Json:
    api, web = url(world, repository), page(world, repository)
    count = change.additions + change.deletions
    payload = fill("file", change=change, sha=sha, api=api, page=web, changes=count)
    if change.patch is not None:
        payload["patch"] = change.patch
    if change.previous_path is not None:
        payload["previous_filename"] = change.previous_path
    return payload


def pushed(world: World, repository: Repository, commit: Commit) -> Json:
    """A commit in the push webhook."""
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


def activity(world: World, push: Push) -> Json:
    """An entry of GET /activity."""
    kinds = {push.before: "branch_creation", push.after: "branch_deletion"}
    return {
        "id": push.id,
        "node_id": node_id("PUSH", push.id),
        "before": push.before,
        "after": push.after,
        "ref": f"refs/heads/{push.branch}",
        "timestamp": stamp(push.at),
        "activity_type": kinds.get("0" * 40, "force_push" if push.forced else "push"),
        "actor": user(world, push.by),
    }


def _pusher(signature: Signature) -> Json:
    person: Json = {"name": signature.name, "email": signature.email, "date": signature.at.isoformat()}
    return person | ({"username": signature.login} if signature.login else {})


def head_commit(commit: Commit) -> Json:
    """A commit in a check suite."""
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": stamp(commit.committer.at),
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
    }


def comparison(world: World, repository: Repository, base: str, head: str) -> Json | None:
    """The response to GET /compare; None when the two have no common ancestor."""
    objects = world.git(repository)
    origin = objects.merge_base(base, head)
    if origin is None:
        return None
    ahead, behind = objects.between(base, head), objects.between(head, base)
    status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    changed = changes(objects, objects.commits[origin].tree, objects.commits[head].tree)
    return fill(
        "comparison",
        api=url(world, repository),
        page=page(world, repository),
        sides=f"{base}...{head}",
        base=commit(world, repository, objects.commits[base]),
        merge_base=commit(world, repository, objects.commits[origin]),
        status=status.get((bool(ahead), bool(behind)), "identical"),
        ahead=len(ahead),
        behind=len(behind),
        commits=[commit(world, repository, c) for c in ahead],
        files=[file(world, repository, head, c) for c in changed],
    )
