"""Environments of a repository and the rules that protect them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bot.embedded.github.errors import GitHubError, invalid, not_found
from bot.embedded.github.state.records import BranchPattern, Environment, Repository
from bot.embedded.github.state.world import World

LONGEST_WAIT = 43_200  # minutes
MOST_REVIEWERS = 6


def ensure(world: World, repository: Repository, name: str) -> Environment:
    """The environment, made without rules when it is not there: a deployment does so too."""
    found = repository.environments.get(name.lower())
    if found is None:
        now = world.now()
        found = Environment(world.next_id("environment"), name, now, now)
        repository.environments[name.lower()] = found
    return found


class Environments:
    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, full_name: str, name: str) -> Environment:
        with self._world.lock:
            found = self._world.repository(full_name).environments.get(name.lower())
            if found is None:
                raise not_found()
            return found

    def protect(
        self,
        full_name: str,
        name: str,
        *,
        people: Sequence[str] = (),
        teams: Sequence[str] = (),
        wait_minutes: int = 0,
        protected_branches: bool = False,
        branches: Sequence[str] | None = None,
        apps: Sequence[str] = (),
    ) -> Environment:
        """These rules and no others: BRANCHES are patterns, and APPS have a rule of their own."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            slugs = {t.slug: t.id for t in world.state.teams if t.organization == repository.owner}
            found = self.put(
                repository,
                name,
                wait_minutes=wait_minutes,
                people=[world.account(login).id for login in people],
                teams=[slugs[slug] for slug in teams],
                prevent_self_review=False,
                admits="protected" if protected_branches else "all" if branches is None else "custom",
            )
            found.patterns = []
            for pattern in branches or ():
                self.admit(found, pattern)
            found.apps = list(apps)
            return found

    def put(
        self,
        repository: Repository,
        name: str,
        *,
        wait_minutes: int,
        people: list[int],
        teams: list[int],
        prevent_self_review: bool,
        admits: Literal["all", "protected", "custom"],
    ) -> Environment:
        """What PUT does: patterns stay as long as they are asked for, and so do Apps' own rules."""
        if not 0 <= wait_minutes <= LONGEST_WAIT:
            raise invalid("Environment", "wait_timer", "invalid")
        if len(people) + len(teams) > MOST_REVIEWERS:
            raise invalid("Environment", "reviewers", "too_many")
        self._check_reviewers(repository, people, teams)
        found = ensure(self._world, repository, name)
        found.wait_minutes, found.people, found.teams = wait_minutes, people, teams
        found.prevent_self_review, found.admits = prevent_self_review, admits
        found.updated_at = self._world.now()
        if admits != "custom":
            found.patterns = []
        return found

    def _check_reviewers(self, repository: Repository, people: list[int], teams: list[int]) -> None:
        """They can read the repository."""
        world = self._world
        logins = {account.id: account.login for account in world.state.accounts.values()}
        known = {t.id for t in world.state.teams if t.organization == repository.owner}
        seen = [id in logins and world.role(repository, logins[id]) != "none" for id in people]
        if not all([*seen, *(id in known for id in teams)]):
            raise invalid("Environment", "reviewers", "invalid")

    def admit(
        self, environment: Environment, pattern: str, kind: Literal["branch", "tag"] = "branch"
    ) -> BranchPattern:
        with self._world.lock:
            if environment.admits != "custom":
                raise not_found()
            if any((each.name, each.kind) == (pattern, kind) for each in environment.patterns):
                raise GitHubError(303, "Already exists")
            made = BranchPattern(self._world.next_id("branch_pattern"), pattern, kind)
            environment.patterns.append(made)
            return made

    def delete(self, full_name: str, name: str) -> None:
        with self._world.lock:
            self.get(full_name, name)
            del self._world.repository(full_name).environments[name.lower()]
