"""People, organisations and teams."""

from __future__ import annotations

from bot.embedded.github.state.records import Account, AccountKind, Team
from bot.embedded.github.state.world import World


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
