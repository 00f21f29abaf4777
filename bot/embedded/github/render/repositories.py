"""Payloads of repositories and of their environments."""

from bot.embedded.github.state.records import ROLES, BranchPattern, Environment, Repository, Role
from bot.embedded.github.state.world import World

from .accounts import team, user
from .basics import Json, fill, node_id


def url(world: World, repository: Repository) -> str:
    return f"{world.api}/repos/{repository.full_name}"


def page(world: World, repository: Repository) -> str:
    return f"{world.web}/{repository.full_name}"


def minimal(world: World, repository: Repository) -> Json:
    """The short form with its links."""
    return fill(
        "minimal_repository",
        repository=repository,
        owner=user(world, repository.owner),
        page=page(world, repository),
        api=url(world, repository),
        fork=repository.fork_of is not None,
    )


def repository(world: World, repository: Repository) -> Json:
    """The form of webhooks and lists."""
    return minimal(world, repository) | fill(
        "repository",
        repository=repository,
        host=world.host,
        page=page(world, repository),
        forks=sum(r.fork_of == repository.id for r in world.state.repositories.values()),
        opened=sum(p.state == "open" for p in world.pulls(repository)),
        visibility="private" if repository.private else "public",
    )


def with_merge_settings(world: World, record: Repository) -> Json:
    """The form inside a pull request's head and base."""
    return repository(world, record) | fill("merge_settings")


def full(world: World, record: Repository, role: Role) -> Json:
    """The response to GET /repos/OWNER/NAME."""
    counts = {"network_count": 0, "subscribers_count": 0}
    payload = with_merge_settings(world, record) | {"permissions": permissions(role)} | counts
    if record.fork_of is not None:
        parent = repository(world, world.repository(record.fork_of))
        payload |= {"parent": parent, "source": parent}
    return payload


def permissions(role: Role) -> dict[str, bool]:
    least: dict[str, Role] = {
        "admin": "admin",
        "maintain": "maintain",
        "push": "write",
        "triage": "triage",
        "pull": "read",
    }
    return {name: ROLES.index(role) >= ROLES.index(required) for name, required in least.items()}


def environment(world: World, repository: Repository, environment: Environment) -> Json:
    policy = {
        "protected_branches": environment.admits == "protected",
        "custom_branch_policies": environment.admits == "custom",
    }
    return fill(
        "environment",
        environment=environment,
        api=url(world, repository),
        page=page(world, repository),
        rules=_rules(world, environment),
        policy=policy if environment.admits != "all" else None,
    )


def _rules(world: World, environment: Environment) -> list[Json]:
    rules: list[Json] = []
    if environment.wait_minutes:
        rules.append({"type": "wait_timer", "wait_timer": environment.wait_minutes})
    if environment.people or environment.teams:
        accounts = {account.id: account.login for account in world.state.accounts.values()}
        teams = {record.id: record for record in world.state.teams}
        reviewers = [{"type": "User", "reviewer": user(world, accounts[id])} for id in environment.people]
        reviewers += [{"type": "Team", "reviewer": team(world, teams[id])} for id in environment.teams]
        rules.append({"type": "required_reviewers", "prevent_self_review": False, "reviewers": reviewers})
    if environment.admits != "all":
        rules.append({"type": "branch_policy"})
    return [_with_id(environment, rule) for rule in rules]


def _with_id(environment: Environment, rule: Json) -> Json:
    offset = ("wait_timer", "required_reviewers", "branch_policy").index(rule["type"])
    identity = environment.id * 10 + offset
    return {"id": identity, "node_id": node_id("Gate", identity), **rule}


def branch_pattern(pattern: BranchPattern) -> Json:
    encoded = node_id("GateBranchPolicy", pattern.id)
    return {"id": pattern.id, "node_id": encoded, "name": pattern.name, "type": pattern.kind}


def app_rule(world: World, environment: Environment, slug: str) -> Json:
    identity = environment.id * 10 + 9
    return fill("app_rule", environment=environment, app=world.app(slug), api=world.api, identity=identity)
