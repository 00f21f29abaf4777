"""Accounts, and the App with its webhook and installations."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from bot.embedded.github.credentials import AppCredentials, new_credentials
from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.hooks import events
from bot.embedded.github.hooks.deliveries import HOOK_ID
from bot.embedded.github.state.apps import App, Installation
from bot.embedded.github.state.records import Account, AccountKind, Team
from bot.embedded.github.state.world import World

MANIFEST = Path(__file__).parents[4] / "app.yml"
LONGEST_NAME = 34
CODE_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class RequestedApp:
    """What the manifest of a new App asks for."""

    name: str
    hook_url: str | None = None
    default_permissions: Mapping[str, str] = field(default_factory=dict)
    default_events: Sequence[str] = ()


@dataclass(frozen=True)
class Manifest:
    """The App's permissions and events, as `app.yml` of this checkout declares them."""

    permissions: Mapping[str, str]
    events: tuple[str, ...]

    @classmethod
    def read(cls) -> Manifest:
        content = yaml.safe_load(MANIFEST.read_text())
        return cls(content["default_permissions"], tuple(content["default_events"]))


class Apps:
    def __init__(self, world: World, credentials: AppCredentials) -> None:
        self._world = world
        self.credentials = credentials
        """Those of the App that was registered last: this GitHub has one at a time."""
        self._codes: dict[str, tuple[AppCredentials, datetime]] = {}

    @property
    def app(self) -> App:
        return self._world.app(self.credentials.slug)

    def register(self, requested: RequestedApp, owner: str) -> str:
        """Register an App; returns the code that is exchanged once for its credentials."""
        world = self._world
        with world.lock:
            slug = re.sub(r"[^a-z0-9]+", "-", requested.name.lower()).strip("-")
            if not slug or len(requested.name) > LONGEST_NAME:
                raise GitHubError(422, f"Name must have 1 to {LONGEST_NAME} characters.")
            if slug in world.state.apps:
                raise GitHubError(422, "Name is already taken.")
            credentials = new_credentials(slug)
            app = App(
                id=credentials.app_id,
                slug=slug,
                name=requested.name,
                owner=world.account(owner).login,
                client_id=credentials.client_id,
                created_at=world.now(),
                permissions={"metadata": "read", **requested.default_permissions},
                events=list(requested.default_events),
                hook_url=requested.hook_url,
            )
            world.state.apps[slug] = app
            Accounts(world).create_bot(app.bot_login)
            self.credentials = credentials
            if app.hook_url:
                events.ping(world, app, HOOK_ID)
            code = secrets.token_hex(20)
            self._codes[code] = (credentials, world.now() + CODE_LIFETIME)
            return code

    def exchange(self, code: str) -> AppCredentials:
        """The credentials for a code. Raises GitHubError 404 for a used, expired or unknown one."""
        with self._world.lock:
            credentials, expires = self._codes.pop(code, (None, self._world.now()))
            if credentials is None or expires < self._world.now():
                raise not_found()
            return credentials

    def set_webhook(self, url: str) -> None:
        """Deliver to URL from now on, beginning with a ping."""
        with self._world.lock:
            self.app.hook_url = url
            events.ping(self._world, self.app, HOOK_ID)

    def set_permissions(self, permissions: Mapping[str, str], events: tuple[str, ...] | None = None) -> None:
        """Change the App's permissions and events; existing installations keep theirs."""
        with self._world.lock:
            self.app.permissions = dict(permissions)
            if events is not None:
                self.app.events = list(events)

    def install(self, account: str, *, by: str, repositories: tuple[str, ...] | None = None) -> Installation:
        """Install on an account, for all its repositories or for those named `OWNER/NAME`."""
        world = self._world
        with world.lock:
            now = world.now()
            installation = Installation(
                id=world.next_id("installation"),
                app=self.credentials.slug,
                account=world.account(account).login,
                selection="all" if repositories is None else "selected",
                repository_ids=[world.repository(name).id for name in repositories or ()],
                permissions=dict(self.app.permissions),
                events=list(self.app.events),
                created_at=now,
                updated_at=now,
            )
            world.state.installations[installation.id] = installation
            seen = world.installed(installation)
            events.installation_changed(world, installation, "created", by, seen)
            return installation

    def uninstall(self, installation_id: int, *, by: str) -> None:
        world = self._world
        with world.lock:
            installation = world.state.installations.pop(installation_id)
            for value in [v for v, t in world.state.tokens.items() if t.installation_id == installation_id]:
                del world.state.tokens[value]
            seen = world.installed(installation)
            events.installation_changed(world, installation, "deleted", by, seen)

    def suspend(self, installation_id: int, *, by: str) -> None:
        world = self._world
        with world.lock:
            installation = world.state.installations[installation_id]
            installation.suspended_at, installation.suspended_by = world.now(), by
            seen = world.installed(installation)
            events.installation_changed(world, installation, "suspend", by, seen)

    def unsuspend(self, installation_id: int, *, by: str) -> None:
        world = self._world
        with world.lock:
            installation = world.state.installations[installation_id]
            installation.suspended_at = installation.suspended_by = None
            seen = world.installed(installation)
            events.installation_changed(world, installation, "unsuspend", by, seen)

    def accept_permissions(self, installation_id: int, *, by: str) -> None:
        """An owner accepts the App's current permissions. Existing tokens keep those of their creation."""
        world = self._world
        with world.lock:
            installation = world.state.installations[installation_id]
            installation.permissions, installation.events = dict(self.app.permissions), list(self.app.events)
            seen = world.installed(installation)
            events.installation_changed(world, installation, "new_permissions_accepted", by, seen)

    def add_repository(self, installation_id: int, full_name: str, *, by: str) -> None:
        world = self._world
        with world.lock:
            installation = world.state.installations[installation_id]
            repository = world.repository(full_name)
            installation.repository_ids.append(repository.id)
            events.selection_changed(world, installation, by, [repository], [])

    def remove_repository(self, installation_id: int, full_name: str, *, by: str) -> None:
        world = self._world
        with world.lock:
            installation = world.state.installations[installation_id]
            repository = world.repository(full_name)
            installation.repository_ids.remove(repository.id)
            events.selection_changed(world, installation, by, [], [repository])

    def revoke_tokens(self) -> None:
        """Every token that was handed out stops working at once."""
        with self._world.lock:
            self._world.state.tokens.clear()


class Accounts:
    def __init__(self, world: World) -> None:
        self._world = world

    def create_user(self, login: str, *, name: str = "") -> Account:
        return self._create(login, "User", name)

    def create_bot(self, login: str) -> Account:
        """A bot that writes pull requests, as dependabot[bot] does. LOGIN carries the `[bot]`."""
        return self._create(login, "Bot", "")

    def create_organization(self, login: str, *, admins: tuple[str, ...] = ()) -> Account:
        organization = self._create(login, "Organization", "")
        organization.members = {admin.lower(): "admin" for admin in admins}
        return organization

    def create_team(self, organization: str, slug: str, members: tuple[str, ...] = ()) -> Team:
        """A team whose members also become members of the organisation."""
        with self._world.lock:
            owner = self._world.account(organization)
            team = Team(self._world.next_id("team"), owner.login, slug, slug.replace("-", " ").title())
            for login in members:
                team.members[login.lower()] = "member"
                owner.members.setdefault(login.lower(), "member")
            self._world.state.teams.append(team)
            return team

    def people(self) -> list[Account]:
        with self._world.lock:
            return [a for a in self._world.state.accounts.values() if a.kind == "User" and a.login != "ghost"]

    def _create(self, login: str, kind: AccountKind, name: str) -> Account:
        with self._world.lock:
            if login.lower() in self._world.state.accounts:
                raise ValueError(f"there is already an account {login}")
            identity = self._world.next_id("account")
            account = Account(identity, login, kind, name or login, self._world.now())
            self._world.state.accounts[login.lower()] = account
            return account
