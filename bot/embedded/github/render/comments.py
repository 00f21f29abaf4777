"""Comments with their reactions, and the issue that a pull request also is."""

from __future__ import annotations

from bot.embedded.github.state.records import Comment, Pull, Reaction, Repository
from bot.embedded.github.state.world import World

from .accounts import app, user
from .basics import Json, node_id, stamp, when
from .pulls import association, labels, pull_page, pull_url
from .repositories import page, url

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def rollup(world: World, address: str, comment_id: int | None) -> Json:
    """How often each reaction was given; COMMENT_ID None stands for the issue, which gets none here."""
    given = [r.content for r in world.state.reactions.values() if r.comment_id == comment_id]
    counts = {content: given.count(content) for content in REACTIONS}
    return {"url": f"{address}/reactions", "total_count": len(given), **counts}


def comment(world: World, repository: Repository, comment: Comment) -> Json:
    api = f"{url(world, repository)}/issues/comments/{comment.id}"
    return {
        "url": api,
        "html_url": f"{page(world, repository)}/pull/{comment.number}#issuecomment-{comment.id}",
        "issue_url": f"{url(world, repository)}/issues/{comment.number}",
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "user": user(world, comment.author),
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "body": comment.body,
        "author_association": association(world, repository, comment.author),
        "reactions": rollup(world, api, comment.id),
        "performed_via_github_app": app(world, world.app(comment.app)) if comment.app else None,
    }


def reaction(world: World, reaction: Reaction) -> Json:
    return {
        "id": reaction.id,
        "node_id": node_id("Reaction", reaction.id),
        "user": user(world, reaction.author),
        "content": reaction.content,
        "created_at": stamp(reaction.created_at),
    }


def issue(world: World, repository: Repository, pull: Pull) -> Json:
    """The issue behind a pull request, as issue_comment carries it."""
    api = f"{url(world, repository)}/issues/{pull.number}"
    web = pull_page(world, repository, pull)
    comments = sum(
        c.repository_id == repository.id and c.number == pull.number for c in world.state.comments.values()
    )
    return {
        "url": api,
        "repository_url": url(world, repository),
        "labels_url": f"{api}/labels{{/name}}",
        "comments_url": f"{api}/comments",
        "events_url": f"{api}/events",
        "html_url": web,
        "id": pull.issue_id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "title": pull.title,
        "user": user(world, pull.author),
        "labels": labels(world, repository, pull),
        "state": pull.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": comments,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": when(pull.closed_at),
        "author_association": association(world, repository, pull.author),
        "active_lock_reason": None,
        "draft": pull.draft,
        "pull_request": {
            "url": pull_url(world, repository, pull),
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "merged_at": when(pull.merged_at),
        },
        "body": pull.body,
        "reactions": rollup(world, api, None),
        "timeline_url": f"{api}/timeline",
        "performed_via_github_app": None,
        "state_reason": None,
    }
