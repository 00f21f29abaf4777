"""Repositories, their branches and people."""

from __future__ import annotations

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.render import accounts, commits
from bot.embedded.github.render import repositories as render
from bot.embedded.github.render.basics import Json, node_id
from bot.embedded.github.state.records import ROLES, Repository

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
REPO = "/repos/{owner}/{repo}"
# The old names that GitHub still answers with beside the role.
_LEGACY = {"triage": "read", "maintain": "write"}


@ROUTES.get(REPO, "metadata:read")
def get_repository(call: Call) -> Answer:
    principal = call.principal
    role = call.world.role(call.repository, principal.login) if principal.kind == "user" else "none"
    return Answer(render.full(call.world, call.repository, role))


@ROUTES.get(f"{REPO}/collaborators/{{username}}/permission", "metadata:read")
def collaborator_permission(call: Call) -> Answer:
    person = call.world.account(call.params["username"])
    role = call.world.role(call.repository, person.login)
    user = accounts.user(call.world, person.login)
    return Answer(
        {
            "permission": _LEGACY.get(role, role),
            "user": user | {"permissions": render.permissions(role), "role_name": role},
            "role_name": role,
        }
    )


@ROUTES.get(f"{REPO}/collaborators", "metadata:read")
def collaborators(call: Call) -> Answer:
    repository = call.repository
    logins = [a.login for a in call.world.state.accounts.values() if a.kind == "User"]
    found = [login for login in logins if ROLES.index(call.world.role(repository, login)) > 1]

    def person(login: str) -> Json:
        role = call.world.role(repository, login)
        extra = {"permissions": render.permissions(role), "role_name": role}
        return accounts.user(call.world, login) | extra

    return paged(call, found, person)


def _branch(call: Call, repository: Repository, name: str) -> Json:
    sha = repository.branches.get(name)
    if sha is None:
        raise GitHubError(404, "Branch not found")
    api, protection = render.url(call.world, repository), repository.protections.get(name)
    commit = commits.commit(call.world, repository, call.world.git(repository).commits[sha])
    return {
        "name": name,
        "commit": commit,
        "_links": {
            "self": f"{api}/branches/{name}",
            "html": f"{render.page(call.world, repository)}/tree/{name}",
        },
        "protected": protection is not None,
        "protection": {
            "enabled": protection is not None,
            "required_status_checks": {
                "enforcement_level": "non_admins" if protection and protection.contexts else "off",
                "contexts": protection.contexts if protection else [],
                "checks": [],
            },
        },
        "protection_url": f"{api}/branches/{name}/protection",
    }


@ROUTES.get(f"{REPO}/branches", "contents:read")
def list_branches(call: Call) -> Answer:
    repository = call.repository
    api = render.url(call.world, repository)

    def short(name: str) -> Json:
        sha = repository.branches[name]
        protected = name in repository.protections
        return {"name": name, "commit": {"sha": sha, "url": f"{api}/commits/{sha}"}, "protected": protected}

    return paged(call, sorted(repository.branches), short)


@ROUTES.get(f"{REPO}/branches/{{branch:path}}/protection", "administration:read")
def branch_protection(call: Call) -> Answer:
    repository, name = call.repository, call.params["branch"]
    if name not in repository.branches:
        raise GitHubError(404, "Branch not found")
    protection = repository.protections.get(name)
    if protection is None:
        raise GitHubError(404, "Branch not protected")
    api = f"{render.url(call.world, repository)}/branches/{name}/protection"
    answer: Json = {"url": api, "enforce_admins": {"url": f"{api}/enforce_admins", "enabled": False}}
    if protection.contexts:
        answer["required_status_checks"] = {
            "url": f"{api}/required_status_checks",
            "strict": False,
            "contexts": protection.contexts,
            "contexts_url": f"{api}/required_status_checks/contexts",
            "checks": [{"context": c, "app_id": None} for c in protection.contexts],
        }
    if protection.approving_reviews:
        answer["required_pull_request_reviews"] = {
            "url": f"{api}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "require_last_push_approval": False,
            "required_approving_review_count": protection.approving_reviews,
        }
    return Answer(answer)


@ROUTES.get(f"{REPO}/branches/{{branch:path}}", "contents:read")
def get_branch(call: Call) -> Answer:
    return Answer(_branch(call, call.repository, call.params["branch"]))


@ROUTES.get(f"{REPO}/git/ref/{{ref:path}}", "contents:read")
def get_ref(call: Call) -> Answer:
    repository, ref = call.repository, call.params["ref"]
    named = ref.removeprefix("tags/") if ref.startswith("tags/") else None
    found = repository.tags.get(named) if named is not None else call.world.resolve(repository, ref)
    if found is None or "/" not in ref:
        raise not_found()
    kind = "tag" if found in call.world.git(repository).tags else "commit"
    api = render.url(call.world, repository)
    return Answer(
        {
            "ref": f"refs/{ref}",
            "node_id": node_id("Ref", f"{repository.id}:refs/{ref}"),
            "url": f"{api}/git/refs/{ref}",
            "object": {"sha": found, "type": kind, "url": f"{api}/git/{kind}s/{found}"},
        }
    )
