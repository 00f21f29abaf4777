"""Payloads of users, organisations, teams, Apps and installations."""

from bot.embedded.github.state.apps import App, Installation
from bot.embedded.github.state.records import Repository, Team
from bot.embedded.github.state.world import GHOST, World

from .basics import Json, fill, node_id


def user(world: World, login: str) -> Json:
    """The short form of an account; a deleted one is shown as the ghost."""
    account = world.state.accounts.get(login.lower()) or world.account(GHOST)
    page = f"{world.web}/{account.login}"
    if account.kind == "Bot":
        page = f"{world.web}/apps/{account.login.removesuffix('[bot]')}"
    return fill("user", account=account, web=world.web, api=f"{world.api}/users/{account.login}", page=page)


def profile(world: World, login: str) -> Json:
    """The long form, as GET /user returns it."""
    account = world.account(login)
    owned = sum(r.owner == account.login and not r.private for r in world.state.repositories.values())
    return user(world, login) | fill("profile", account=account, owned=owned)


def organization(world: World, login: str) -> Json:
    account = world.account(login)
    return fill("organization", account=account, web=world.web, api=f"{world.api}/orgs/{account.login}")


def team(world: World, team: Team) -> Json:
    owner = world.account(team.organization)
    api = f"{world.api}/organizations/{owner.id}/team/{team.id}"
    return fill("team", team=team, owner=owner, web=world.web, api=api)


def app(world: World, app: App) -> Json:
    permissions, events = dict(app.permissions), list(app.events)
    owner = user(world, app.owner)
    return fill("app", app=app, owner=owner, web=world.web, permissions=permissions, events=events)


def installation(world: World, installation: Installation) -> Json:
    owner, by = world.account(installation.account), installation.suspended_by
    settings = f"/organizations/{owner.login}/settings" if owner.kind == "Organization" else "/settings"
    return fill(
        "installation",
        installation=installation,
        app=world.app(installation.app),
        owner=owner,
        account=user(world, owner.login),
        api=world.api,
        settings=world.web + settings,
        permissions=dict(installation.permissions),
        events=list(installation.events),
        suspended_by=user(world, by) if by else None,
    )


def installation_reference(installation: Installation) -> Json:
    """The form in the webhooks of a repository."""
    return {"id": installation.id, "node_id": node_id("IntegrationInstallation", installation.id)}


def selected_repository(repository: Repository) -> Json:
    """A repository in the webhooks of an installation."""
    return fill("selected_repository", repository=repository)
