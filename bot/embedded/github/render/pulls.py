"""Pull requests, reviews and labels."""

from __future__ import annotations

from bot.embedded.github.state.changes import changes, merge_trees
from bot.embedded.github.state.records import Label, Pull, Repository, Review
from bot.embedded.github.state.world import GHOST, World

from .accounts import user
from .basics import Json, node_id, stamp, when
from .repositories import page, url, with_merge_settings


def pull_url(world: World, repository: Repository, pull: Pull) -> str:
    return f"{url(world, repository)}/pulls/{pull.number}"


def pull_page(world: World, repository: Repository, pull: Pull) -> str:
    return f"{page(world, repository)}/pull/{pull.number}"


def label(world: World, repository: Repository, label: Label) -> Json:
    return {
        "id": label.id,
        "node_id": node_id("Label", label.id),
        "url": f"{url(world, repository)}/labels/{label.name}",
        "name": label.name,
        "color": label.color,
        "default": False,
        "description": label.description,
        "archived_at": None,
        "archived_by": None,
    }


def labels(world: World, repository: Repository, pull: Pull) -> list[Json]:
    return [label(world, repository, repository.labels[name]) for name in pull.labels]


def association(world: World, repository: Repository, login: str) -> str:
    owner = world.account(repository.owner)
    if login.lower() == owner.login.lower():
        return "OWNER"
    if login.lower() in owner.members:
        return "MEMBER"
    return "COLLABORATOR" if login.lower() in repository.collaborators else "NONE"


def mergeable(world: World, repository: Repository, pull: Pull) -> bool:
    objects = world.git(repository)
    base = repository.branches.get(pull.base_ref)
    origin = objects.merge_base(base, pull.head_sha) if base else None
    if base is None or origin is None:
        return False
    trees = (objects.commits[sha].tree for sha in (origin, base, pull.head_sha))
    return merge_trees(objects, *trees) is not None


def simple(world: World, repository: Repository, pull: Pull) -> Json:
    """A pull request of a list."""
    api, web = pull_url(world, repository, pull), pull_page(world, repository, pull)
    issue = f"{url(world, repository)}/issues/{pull.number}"
    return {
        "url": api,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issue,
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": user(world, pull.author),
        "body": pull.body,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": when(pull.closed_at),
        "merged_at": when(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": labels(world, repository, pull),
        "milestone": None,
        "draft": pull.draft,
        "commits_url": f"{api}/commits",
        "review_comments_url": f"{api}/comments",
        "review_comment_url": f"{url(world, repository)}/pulls/comments{{/number}}",
        "comments_url": f"{issue}/comments",
        "statuses_url": f"{url(world, repository)}/statuses/{pull.head_sha}",
        "head": _head(world, pull),
        "base": _side(world, repository, pull.base_ref, pull.base_sha),
        "_links": {
            "self": {"href": api},
            "html": {"href": web},
            "issue": {"href": issue},
            "comments": {"href": f"{issue}/comments"},
            "review_comments": {"href": f"{api}/comments"},
            "review_comment": {"href": f"{url(world, repository)}/pulls/comments{{/number}}"},
            "commits": {"href": f"{api}/commits"},
            "statuses": {"href": f"{url(world, repository)}/statuses/{pull.head_sha}"},
        },
        "author_association": association(world, repository, pull.author),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def _side(world: World, repository: Repository, ref: str, sha: str) -> Json:
    return {
        "label": f"{repository.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(world, repository.owner),
        "repo": with_merge_settings(world, repository),
    }


def _head(world: World, pull: Pull) -> Json:
    source = world.state.repositories.get(pull.head_repository_id or 0)
    if source:
        return _side(world, source, pull.head_ref, pull.head_sha)
    # the fork was deleted: GitHub keeps the commits and forgets the repository
    ghost = {"label": f"{GHOST}:{pull.head_ref}", "user": None, "repo": None}
    return ghost | {"ref": pull.head_ref, "sha": pull.head_sha}


def full(world: World, repository: Repository, pull: Pull, *, computed: bool = True) -> Json:
    """GET /pulls/N, and the webhook's form (COMPUTED False: whether it merges is not known yet)."""
    objects = world.git(repository)
    base = objects.merge_base(pull.base_sha, pull.head_sha)
    before = objects.commits[base].tree if base else None
    changed = changes(objects, before, objects.commits[pull.head_sha].tree)
    merged = pull.merged_at is not None
    can_merge = mergeable(world, repository, pull) if computed and pull.state == "open" else None
    states = {True: "draft" if pull.draft else "clean", False: "dirty", None: "unknown"}
    comments = sum(
        c.repository_id == repository.id and c.number == pull.number for c in world.state.comments.values()
    )
    return simple(world, repository, pull) | {
        "merged": merged,
        "mergeable": can_merge,
        "rebaseable": can_merge,
        "mergeable_state": states[can_merge],
        "merged_by": user(world, pull.merged_by) if pull.merged_by else None,
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": pull.head_repository_id != repository.id,
        "commits": len(objects.between(pull.base_sha, pull.head_sha)),
        "additions": sum(c.additions for c in changed),
        "deletions": sum(c.deletions for c in changed),
        "changed_files": len(changed),
    }


def reference(world: World, repository: Repository, pull: Pull) -> Json:
    """The tiny form inside check runs and suites."""
    source = world.state.repositories.get(pull.head_repository_id or 0, repository)
    return {
        "url": pull_url(world, repository, pull),
        "id": pull.id,
        "number": pull.number,
        "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": _reference(world, source)},
        "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": _reference(world, repository)},
    }


def _reference(world: World, repository: Repository) -> Json:
    return {"id": repository.id, "url": url(world, repository), "name": repository.name}


def review(world: World, repository: Repository, pull: Pull, review: Review) -> Json:
    web = f"{pull_page(world, repository, pull)}#pullrequestreview-{review.id}"
    return {
        "id": review.id,
        "node_id": node_id("PullRequestReview", review.id),
        "user": user(world, review.author),
        "body": review.body,
        "state": review.state,
        "html_url": web,
        "pull_request_url": pull_url(world, repository, pull),
        "author_association": association(world, repository, review.author),
        "_links": {"html": {"href": web}, "pull_request": {"href": pull_url(world, repository, pull)}},
        "submitted_at": stamp(review.submitted_at),
        "updated_at": stamp(review.submitted_at),
        "commit_id": review.commit_id,
    }
