"""Repositories and branches."""

from __future__ import annotations

from bot.embedded.github.state.records import Repository, Role
from bot.embedded.github.state.world import World

from .accounts import user
from .basics import Json, node_id, stamp

_LINKS = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}


def url(world: World, repository: Repository) -> str:
    return f"{world.api}/repos/{repository.full_name}"


def page(world: World, repository: Repository) -> str:
    return f"{world.web}/{repository.full_name}"


def minimal(world: World, repository: Repository) -> Json:
    """The short form with its links."""
    api = url(world, repository)
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(world, repository.owner),
        "html_url": page(world, repository),
        "description": repository.description,
        "fork": repository.fork_of is not None,
        "url": api,
        **{name: api + suffix for name, suffix in _LINKS.items()},
    }


def repository(world: World, repository: Repository) -> Json:
    """The form that webhooks and lists carry."""
    opened = sum(p.state == "open" for p in world.pulls(repository))
    forks = sum(r.fork_of == repository.id for r in world.state.repositories.values())
    web = page(world, repository)
    return minimal(world, repository) | {
        "created_at": stamp(repository.created_at),
        "updated_at": stamp(repository.updated_at),
        "pushed_at": stamp(repository.pushed_at),
        "git_url": f"git://{world.host}/{repository.full_name}.git",
        "ssh_url": f"git@{world.host}:{repository.full_name}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "homepage": None,
        "size": 108,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": "Python",
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": forks,
        "mirror_url": None,
        "archived": repository.archived,
        "disabled": False,
        "open_issues_count": opened,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if repository.private else "public",
        "forks": forks,
        "open_issues": opened,
        "watchers": 0,
        "default_branch": repository.default_branch,
    }


def with_merge_settings(world: World, record: Repository) -> Json:
    """The form inside a pull request's head and base."""
    return repository(world, record) | {
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
        "allow_update_branch": False,
        "use_squash_pr_title_as_default": False,
        "squash_merge_commit_message": "COMMIT_MESSAGES",
        "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
        "merge_commit_message": "PR_TITLE",
        "merge_commit_title": "MERGE_MESSAGE",
    }


def full(world: World, record: Repository, role: Role) -> Json:
    """The answer of GET /repos/OWNER/NAME."""
    answer = with_merge_settings(world, record) | {
        "permissions": permissions(role),
        "network_count": 0,
        "subscribers_count": 0,
    }
    if record.fork_of is not None:
        parent = repository(world, world.repository(record.fork_of))
        answer |= {"parent": parent, "source": parent}
    return answer


def permissions(role: Role) -> dict[str, bool]:
    order = ("none", "read", "triage", "write", "maintain", "admin")
    rank = order.index(role)
    return {
        "admin": rank >= order.index("admin"),
        "maintain": rank >= order.index("maintain"),
        "push": rank >= order.index("write"),
        "triage": rank >= order.index("triage"),
        "pull": rank >= order.index("read"),
    }
