"""People, organisations and teams."""

from __future__ import annotations

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.hooks.deliveries import SERVER_VERSION
from bot.embedded.github.render import accounts
from bot.embedded.github.state.records import Team

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
TEAMS = "/orgs/{org}/teams"


@ROUTES.get("/meta", auth="any")
def get_meta(_call: Call) -> Answer:
    return Answer({"verifiable_password_authentication": False, "installed_version": SERVER_VERSION})


@ROUTES.get("/user")
def get_me(call: Call) -> Answer:
    if call.principal.kind != "user":
        raise GitHubError(403, "Resource not accessible by integration")
    return Answer(accounts.profile(call.world, call.principal.login))


@ROUTES.get("/user/installations")
def my_installations(call: Call) -> Answer:
    """Installations that have a repository which the person may read."""
    world, login = call.world, call.principal.login
    if call.principal.kind != "user":
        raise GitHubError(403, "Resource not accessible by integration")
    found = [
        i
        for i in world.state.installations.values()
        if any(world.role(r, login) != "none" for r in world.installed(i))
    ]
    return paged(call, found, lambda i: accounts.installation(world, i), key="installations")


@ROUTES.get("/users/{username}", auth="any")
def get_user(call: Call) -> Answer:
    return Answer(accounts.profile(call.world, call.params["username"]))


@ROUTES.get("/orgs/{org}", auth="any")
def get_organization(call: Call) -> Answer:
    return Answer(accounts.organization(call.world, call.params["org"]))


def _team(call: Call) -> Team:
    for team in call.world.state.teams:
        if (team.organization.lower(), team.slug) == (
            call.params["org"].lower(),
            call.params["slug"].lower(),
        ):
            return team
    raise not_found()


@ROUTES.get(TEAMS, "members:read")
def list_teams(call: Call) -> Answer:
    found = [t for t in call.world.state.teams if t.organization.lower() == call.params["org"].lower()]
    return paged(call, found, lambda t: accounts.team(call.world, t))


@ROUTES.get(f"{TEAMS}/{{slug}}", "members:read")
def get_team(call: Call) -> Answer:
    return Answer(accounts.team(call.world, _team(call)))


@ROUTES.get(f"{TEAMS}/{{slug}}/members", "members:read")
def list_members(call: Call) -> Answer:
    return paged(call, _team(call).members, lambda login: accounts.user(call.world, login))


@ROUTES.get(f"{TEAMS}/{{slug}}/memberships/{{username}}", "members:read")
def get_membership(call: Call) -> Answer:
    team, login = _team(call), call.params["username"].lower()
    role = team.members.get(login)
    if role is None:
        raise not_found()
    url = f"{call.world.api}/organizations/{call.world.account(team.organization).id}/team/{team.id}"
    return Answer({"url": f"{url}/memberships/{login}", "role": role, "state": "active"})
