"""Webhook payloads. Every function hands its payload to the world for delivery."""

from typing import Literal

from bot.embedded.github.render import commits, pulls, repositories, results
from bot.embedded.github.render.accounts import installation, organization, selected_repository, user
from bot.embedded.github.render.basics import Json, stamp
from bot.embedded.github.state.apps import App, Installation
from bot.embedded.github.state.records import Comment, Label, Pull, Repository
from bot.embedded.github.state.results import CheckRun, CheckSuite, Status
from bot.embedded.github.state.world import World

NO_COMMIT = "0" * 40

Kind = Literal["branch", "tag"]


def _send(world: World, event: str, repository: Repository, sender: str, payload: Json) -> None:
    payload.setdefault("repository", repositories.repository(world, repository))
    action: str | None = payload.get("action")
    if world.account(repository.owner).kind == "Organization":
        payload["organization"] = organization(world, repository.owner)
    payload["sender"] = user(world, sender)
    world.deliver(event, action, repository, payload)


def pull_request(
    world: World,
    repository: Repository,
    pull: Pull,
    action: str,
    sender: str,
    extra: Json | None = None,
) -> None:
    body = pulls.full(world, repository, pull, computed=False)
    payload = {"action": action, "number": pull.number, "pull_request": body} | (extra or {})
    _send(world, "pull_request", repository, sender, payload)


def labeled(
    world: World, repository: Repository, pull: Pull, label: Label, sender: str, *, added: bool
) -> None:
    action = "labeled" if added else "unlabeled"
    pull_request(world, repository, pull, action, sender, {"label": pulls.label(world, repository, label)})


def review_requested(world: World, repository: Repository, pull: Pull, reviewer: str, sender: str) -> None:
    extra = {"requested_reviewer": user(world, reviewer)}
    pull_request(world, repository, pull, "review_requested", sender, extra)


def issue_comment(
    world: World,
    repository: Repository,
    pull: Pull,
    comment: Comment,
    action: str,
    sender: str,
    extra: Json | None = None,
) -> None:
    payload = {
        "action": action,
        "issue": pulls.issue(world, repository, pull),
        "comment": pulls.comment(world, repository, comment),
    }
    _send(world, "issue_comment", repository, sender, payload | (extra or {}))


def push(
    world: World,
    repository: Repository,
    name: str,
    before: str,
    after: str,
    sender: str,
    *,
    forced: bool = False,
    kind: Kind = "branch",
) -> None:
    """BEFORE or AFTER of NO_COMMIT: the branch or tag was made or deleted."""
    created, deleted = before == NO_COMMIT, after == NO_COMMIT
    objects = world.git(repository)
    base = before if not created else repository.branches.get(repository.default_branch, after)
    new = [] if deleted or kind == "tag" else objects.between(base, after)
    person = world.signature(sender)
    web = repositories.page(world, repository)
    body = repositories.repository(world, repository)
    payload: Json = {
        "ref": f"refs/{'tags' if kind == 'tag' else 'heads'}/{name}",
        "before": before,
        "after": after,
        "repository": body
        | {
            "created_at": int(repository.created_at.timestamp()),
            "pushed_at": int(repository.pushed_at.timestamp()),
            "stargazers": 0,
            "master_branch": repository.default_branch,
            "owner": body["owner"] | {"name": repository.owner, "email": None},
        },
        "pusher": {"name": sender, "email": person.email},
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{web}/compare/{before[:12]}...{after[:12]}",
        "commits": [commits.pushed(world, repository, c) for c in new],
        "head_commit": None
        if deleted
        else commits.pushed(world, repository, objects.commits[objects.peeled(after)]),
    }
    if world.account(repository.owner).kind == "Organization":
        payload["repository"] |= {"organization": repository.owner, "custom_properties": {}}
    _send(world, "push", repository, sender, payload)


def check_run(world: World, repository: Repository, run: CheckRun, action: str, sender: str) -> None:
    payload = {"action": action, "check_run": results.webhook_check_run(world, repository, run)}
    _send(world, "check_run", repository, sender, payload)


def merge_group(
    world: World, repository: Repository, branch: str, base_ref: str, sha: str, sender: str
) -> None:
    group = {
        "head_sha": sha,
        "head_ref": f"refs/heads/{branch}",
        "base_sha": repository.branches[base_ref],
        "base_ref": f"refs/heads/{base_ref}",
        "head_commit": commits.head_commit(world.git(repository).commits[sha]),
    }
    payload = {"action": "checks_requested", "merge_group": group}
    _send(world, "merge_group", repository, sender, payload)


def check_suite(world: World, repository: Repository, suite: CheckSuite, action: str, sender: str) -> None:
    payload = {"action": action, "check_suite": results.webhook_suite(world, repository, suite)}
    _send(world, "check_suite", repository, sender, payload)


def status(world: World, repository: Repository, record: Status) -> None:
    body = results.status(world, repository, record)
    api = repositories.url(world, repository)
    commit = commits.commit(world, repository, world.git(repository).commits[record.sha])
    branches = [
        {"name": name, "commit": {"sha": sha, "url": f"{api}/commits/{sha}"}, "protected": False}
        for name, sha in repository.branches.items()
        if sha == record.sha
    ]
    payload = {
        "id": record.id,
        "sha": record.sha,
        "name": repository.full_name,
        "target_url": record.target_url,
        "avatar_url": body["avatar_url"],
        "context": record.context,
        "description": record.description,
        "state": record.state,
        "commit": commit,
        "branches": branches,
        "created_at": stamp(record.created_at),
        "updated_at": stamp(record.created_at),
    }
    _send(world, "status", repository, record.author, payload)


def repository(
    world: World, record: Repository, action: str, sender: str, changes: Json | None = None
) -> None:
    payload: Json = {"action": action}
    if changes:
        payload["changes"] = changes
    _send(world, "repository", record, sender, payload)


def installation_changed(
    world: World, record: Installation, action: str, sender: str, repositories: list[Repository]
) -> None:
    payload = {
        "action": action,
        "installation": installation(world, record),
        "repositories": [selected_repository(r) for r in repositories],
        "requester": None,
        "sender": user(world, sender),
    }
    world.deliver("installation", action, None, payload)


def selection_changed(
    world: World, record: Installation, sender: str, added: list[Repository], removed: list[Repository]
) -> None:
    action = "added" if added else "removed"
    payload = {
        "action": action,
        "installation": installation(world, record),
        "repository_selection": record.selection,
        "repositories_added": [selected_repository(r) for r in added],
        "repositories_removed": [selected_repository(r) for r in removed],
        "requester": None,
        "sender": user(world, sender),
    }
    world.deliver("installation_repositories", action, None, payload)


def ping(world: World, app: App, hook_id: int) -> None:
    hook: Json = {
        "type": "App",
        "id": hook_id,
        "name": "web",
        "active": True,
        "events": list(app.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": app.hook_url},
        "updated_at": stamp(app.created_at),
        "created_at": stamp(app.created_at),
        "app_id": app.id,
        "deliveries_url": f"{world.api}/app/hook/deliveries",
    }
    world.deliver("ping", None, None, {"zen": "Keep it logically awesome.", "hook_id": hook_id, "hook": hook})
