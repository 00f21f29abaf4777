"""Repositories, their branches, environments and users."""

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.render import accounts, commits
from bot.embedded.github.render import repositories as render
from bot.embedded.github.render.basics import node_id
from bot.embedded.github.state.records import Environment, Team

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
REPO = "/repos/{owner}/{repo}"
ENVIRONMENT = f"{REPO}/environments/{{name:path}}"
# The old names that GitHub still answers with beside the role.
_LEGACY_ROLES = {"triage": "read", "maintain": "write"}


@ROUTES.get(REPO, "metadata:read")
def get_repository(call: Call) -> Answer:
    principal = call.principal
    role = call.world.role(call.repository, principal.login) if principal.kind == "user" else "none"
    return Answer(render.full(call.world, call.repository, role))


@ROUTES.get(f"{REPO}/collaborators/{{username}}/permission", "metadata:read")
def collaborator_permission(call: Call) -> Answer:
    account = call.world.account(call.params["username"])
    role = call.world.role(call.repository, account.login)
    user = accounts.user(call.world, account.login)
    return Answer(
        {
            "permission": _LEGACY_ROLES.get(role, role),
            "user": user | {"permissions": render.permissions(role), "role_name": role},
            "role_name": role,
        }
    )


@ROUTES.get(f"{REPO}/branches/{{branch:path}}", "contents:read")
def get_branch(call: Call) -> Answer:
    repository, name = call.repository, call.params["branch"]
    sha = repository.branches.get(name)
    if sha is None:
        raise GitHubError(404, "Branch not found")
    api, protection = render.url(call.world, repository), repository.protections.get(name)
    contexts = protection.contexts if protection else []
    checks = {"enforcement_level": "non_admins" if contexts else "off", "contexts": contexts, "checks": []}
    page = f"{render.page(call.world, repository)}/tree/{name}"
    return Answer(
        {
            "name": name,
            "commit": commits.commit(call.world, repository, call.world.git(repository).commits[sha]),
            "_links": {"self": f"{api}/branches/{name}", "html": page},
            "protected": protection is not None,
            "protection": {"enabled": protection is not None, "required_status_checks": checks},
            "protection_url": f"{api}/branches/{name}/protection",
        }
    )


@ROUTES.get(f"{REPO}/git/ref/{{ref:path}}", "contents:read")
def get_ref(call: Call) -> Answer:
    repository, ref = call.repository, call.params["ref"]
    tag = ref.removeprefix("tags/") if ref.startswith("tags/") else None
    sha = call.world.resolve(repository, ref) if tag is None else repository.tags.get(tag)
    if sha is None or "/" not in ref:
        raise not_found()
    kind = "tag" if sha in call.world.git(repository).tags else "commit"
    api = render.url(call.world, repository)
    return Answer(
        {
            "ref": f"refs/{ref}",
            "node_id": node_id("Ref", f"{repository.id}:refs/{ref}"),
            "url": f"{api}/git/refs/{ref}",
            "object": {"sha": sha, "type": kind, "url": f"{api}/git/{kind}s/{sha}"},
        }
    )


def _environment(call: Call) -> Environment:
    return call.github.environments.get(call.repository.full_name, call.params["name"])


@ROUTES.get(ENVIRONMENT, "actions:read")
def get_environment(call: Call) -> Answer:
    return Answer(render.environment(call.world, call.repository, _environment(call)))


@ROUTES.get(f"{ENVIRONMENT}/deployment-branch-policies", "actions:read")
def list_branch_policies(call: Call) -> Answer:
    return paged(call, _environment(call).patterns, render.branch_pattern, key="branch_policies")


@ROUTES.get(f"{ENVIRONMENT}/deployment_protection_rules", "actions:read")
def list_protection_rules(call: Call) -> Answer:
    environment, key = _environment(call), "custom_deployment_protection_rules"
    return paged(call, environment.apps, lambda app: render.app_rule(call.world, environment, app), key=key)


@ROUTES.get("/user")
def get_authenticated_user(call: Call) -> Answer:
    if call.principal.kind != "user":
        raise GitHubError(403, "Resource not accessible by integration")
    return Answer(accounts.profile(call.world, call.principal.login))


def _team(call: Call) -> Team:
    key = call.params["org"].lower(), call.params["slug"].lower()
    for team in call.world.state.teams:
        if (team.organization.lower(), team.slug) == key:
            return team
    raise not_found()


@ROUTES.get("/orgs/{org}/teams/{slug}/memberships/{username}", "members:read")
def get_membership(call: Call) -> Answer:
    team, login = _team(call), call.params["username"].lower()
    role = team.members.get(login)
    if role is None:
        raise not_found()
    url = f"{call.world.api}/organizations/{call.world.account(team.organization).id}/team/{team.id}"
    return Answer({"url": f"{url}/memberships/{login}", "role": role, "state": "active"})
