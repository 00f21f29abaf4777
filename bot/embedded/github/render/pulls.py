"""Payloads of pull requests, reviews, labels, comments and reactions."""

from bot.embedded.github.state.changes import changes, merge_trees
from bot.embedded.github.state.records import (
    REACTIONS,
    Comment,
    Issue,
    Label,
    Pull,
    Reaction,
    Repository,
    Review,
)
from bot.embedded.github.state.world import GHOST, World

from .accounts import app, user
from .basics import Json, fill
from .repositories import page, url, with_merge_settings


def pull_url(world: World, repository: Repository, pull: Pull) -> str:
    return f"{url(world, repository)}/pulls/{pull.number}"


def pull_page(world: World, repository: Repository, pull: Pull) -> str:
    return f"{page(world, repository)}/pull/{pull.number}"


def label(world: World, repository: Repository, label: Label) -> Json:
    return fill("label", label=label, api=url(world, repository))


def _labels(world: World, repository: Repository, pull: Pull) -> list[Json]:
    return [label(world, repository, repository.labels[name]) for name in pull.labels]


def _association(world: World, repository: Repository, login: str) -> str:
    owner = world.account(repository.owner)
    if login.lower() == owner.login.lower():
        return "OWNER"
    if login.lower() in owner.members:
        return "MEMBER"
    return "COLLABORATOR" if login.lower() in repository.collaborators else "NONE"


def _mergeable(world: World, repository: Repository, pull: Pull) -> bool:
    objects = world.git(repository)
    base = repository.branches.get(pull.base_ref)
    origin = objects.merge_base(base, pull.head_sha) if base else None
    if base is None or origin is None:
        return False
    trees = (objects.commits[sha].tree for sha in (origin, base, pull.head_sha))
    return merge_trees(objects, *trees) is not None


def simple(world: World, repository: Repository, pull: Pull) -> Json:
    """A pull request of a list."""
    return fill(
        "pull_request",
        pull=pull,
        api=pull_url(world, repository, pull),
        page=pull_page(world, repository, pull),
        issue=f"{url(world, repository)}/issues/{pull.number}",
        repository_api=url(world, repository),
        author=user(world, pull.author),
        labels=_labels(world, repository, pull),
        head=_head(world, pull),
        base=_side(world, repository, pull.base_ref, pull.base_sha),
        association=_association(world, repository, pull.author),
    )


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
    # After the deletion of a fork, GitHub keeps the commits and drops the repository.
    ghost = {"label": f"{GHOST}:{pull.head_ref}", "user": None, "repo": None}
    return ghost | {"ref": pull.head_ref, "sha": pull.head_sha}


def full(world: World, repository: Repository, pull: Pull, *, computed: bool = True) -> Json:
    """GET /pulls/N, and the webhook's form (COMPUTED False: mergeability is not known yet)."""
    objects = world.git(repository)
    base = objects.merge_base(pull.base_sha, pull.head_sha)
    before = objects.commits[base].tree if base else None
    changed = changes(objects, before, objects.commits[pull.head_sha].tree)
    mergeable = _mergeable(world, repository, pull) if computed and pull.state == "open" else None
    states = {True: "draft" if pull.draft else "clean", False: "dirty", None: "unknown"}
    return simple(world, repository, pull) | fill(
        "pull_request_details",
        merged=pull.merged_at is not None,
        mergeable=mergeable,
        mergeable_state=states[mergeable],
        merged_by=user(world, pull.merged_by) if pull.merged_by else None,
        comments=_comment_count(world, repository, pull),
        from_fork=pull.head_repository_id != repository.id,
        commits=len(objects.between(pull.base_sha, pull.head_sha)),
        additions=sum(c.additions for c in changed),
        deletions=sum(c.deletions for c in changed),
        changed_files=len(changed),
    )


def _comment_count(world: World, repository: Repository, pull: Pull) -> int:
    comments = world.state.comments.values()
    return sum(c.repository_id == repository.id and c.number == pull.number for c in comments)


def reference(world: World, repository: Repository, pull: Pull) -> Json:
    """The short form inside check runs and suites."""
    source = world.state.repositories.get(pull.head_repository_id or 0, repository)
    head, base = ({"id": r.id, "url": url(world, r), "name": r.name} for r in (source, repository))
    api = pull_url(world, repository, pull)
    return fill("pull_request_reference", pull=pull, api=api, head=head, base=base)


def review(world: World, repository: Repository, pull: Pull, review: Review) -> Json:
    return fill(
        "review",
        review=review,
        api=pull_url(world, repository, pull),
        page=f"{pull_page(world, repository, pull)}#pullrequestreview-{review.id}",
        author=user(world, review.author),
        association=_association(world, repository, review.author),
    )


def _rollup(world: World, address: str, comment_id: int | None) -> Json:
    """Counts of reactions; COMMENT_ID None stands for the issue, which has none here."""
    contents = [r.content for r in world.state.reactions.values() if r.comment_id == comment_id]
    counts = {content: contents.count(content) for content in REACTIONS}
    return {"url": f"{address}/reactions", "total_count": len(contents), **counts}


def comment(world: World, repository: Repository, comment: Comment) -> Json:
    api = f"{url(world, repository)}/issues/comments/{comment.id}"
    return fill(
        "comment",
        comment=comment,
        api=api,
        page=page(world, repository),
        repository_api=url(world, repository),
        author=user(world, comment.author),
        association=_association(world, repository, comment.author),
        reactions=_rollup(world, api, comment.id),
        app=app(world, world.app(comment.app)) if comment.app else None,
    )


def reaction(world: World, reaction: Reaction) -> Json:
    return fill("reaction", reaction=reaction, author=user(world, reaction.author))


def plain_issue(world: World, repository: Repository, issue: Issue) -> Json:
    """An issue that is not a pull request."""
    api = f"{url(world, repository)}/issues/{issue.number}"
    return fill(
        "plain_issue",
        issue=issue,
        api=api,
        page=f"{page(world, repository)}/issues/{issue.number}",
        repository_api=url(world, repository),
        author=user(world, issue.author),
        association=_association(world, repository, issue.author),
        reactions=_rollup(world, api, None),
        app=app(world, world.app(issue.app)) if issue.app else None,
    )


def issue(world: World, repository: Repository, pull: Pull) -> Json:
    """The issue behind a pull request, as issue_comment carries it."""
    api = f"{url(world, repository)}/issues/{pull.number}"
    return fill(
        "issue",
        pull=pull,
        api=api,
        page=pull_page(world, repository, pull),
        pull_api=pull_url(world, repository, pull),
        repository_api=url(world, repository),
        author=user(world, pull.author),
        labels=_labels(world, repository, pull),
        comments=_comment_count(world, repository, pull),
        association=_association(world, repository, pull.author),
        reactions=_rollup(world, api, None),
    )
