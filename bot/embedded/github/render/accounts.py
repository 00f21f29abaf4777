"""People, organisations, teams, Apps and installations."""

from __future__ import annotations

from bot.embedded.github.state.apps import App, Installation
from bot.embedded.github.state.records import Repository, Team
from bot.embedded.github.state.world import GHOST, World

from .basics import Json, node_id, stamp, when

_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def user(world: World, login: str) -> Json:
    """The short form that stands everywhere; who left is shown as the ghost."""
    account = world.state.accounts.get(login.lower()) or world.account(GHOST)
    api = f"{world.api}/users/{account.login}"
    page = f"{world.web}/{account.login}"
    if account.kind == "Bot":
        page = f"{world.web}/apps/{account.login.removesuffix('[bot]')}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id(account.kind, account.id),
        "avatar_url": f"{world.web}/avatars/u/{account.id}?",
        "gravatar_id": "",
        "url": api,
        "html_url": page,
        **{name: api + suffix for name, suffix in _USER_LINKS.items()},
        "type": account.kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def profile(world: World, login: str) -> Json:
    """The long form of GET /users/LOGIN and GET /user."""
    account = world.account(login)
    owned = sum(r.owner == account.login and not r.private for r in world.state.repositories.values())
    return user(world, login) | {
        "name": account.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": owned,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": stamp(account.created_at),
        "updated_at": stamp(account.created_at),
    }


def organization(world: World, login: str) -> Json:
    account = world.account(login)
    api = f"{world.api}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("Organization", account.id),
        "url": api,
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events",
        "hooks_url": f"{api}/hooks",
        "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{world.web}/avatars/u/{account.id}?",
        "description": "",
    }


def team(world: World, team: Team) -> Json:
    owner = world.account(team.organization)
    api = f"{world.api}/organizations/{owner.id}/team/{team.id}"
    return {
        "name": team.name,
        "id": team.id,
        "node_id": node_id("Team", team.id),
        "slug": team.slug,
        "description": "",
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "url": api,
        "html_url": f"{world.web}/orgs/{owner.login}/teams/{team.slug}",
        "members_url": f"{api}/members{{/member}}",
        "repositories_url": f"{api}/repos",
        "permission": "pull",
        "type": "organization",
        "organization_id": owner.id,
        "parent": None,
    }


def app(world: World, app: App) -> Json:
    return {
        "id": app.id,
        "client_id": app.client_id,
        "slug": app.slug,
        "node_id": node_id("App", app.id),
        "owner": user(world, app.owner),
        "name": app.name,
        "description": "",
        "external_url": f"{world.web}/apps/{app.slug}",
        "html_url": f"{world.web}/apps/{app.slug}",
        "created_at": stamp(app.created_at),
        "updated_at": stamp(app.created_at),
        "permissions": dict(app.permissions),
        "events": list(app.events),
    }


def installation(world: World, installation: Installation) -> Json:
    app = world.app(installation.app)
    owner = world.account(installation.account)
    settings = f"/organizations/{owner.login}/settings" if owner.kind == "Organization" else "/settings"
    by = installation.suspended_by
    return {
        "id": installation.id,
        "client_id": app.client_id,
        "account": user(world, owner.login),
        "repository_selection": installation.selection,
        "access_tokens_url": f"{world.api}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{world.api}/installation/repositories",
        "html_url": f"{world.web}{settings}/installations/{installation.id}",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": owner.id,
        "target_type": owner.kind,
        "permissions": dict(installation.permissions),
        "events": list(installation.events),
        "created_at": stamp(installation.created_at),
        "updated_at": stamp(installation.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(world, by) if by else None,
        "suspended_at": when(installation.suspended_at),
    }


def installation_reference(installation: Installation) -> Json:
    """What every webhook of a repository carries."""
    return {
        "id": installation.id,
        "node_id": node_id("IntegrationInstallation", installation.id),
    }


def selected_repository(repository: Repository) -> Json:
    """A repository as the installation webhooks list it."""
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
    }
