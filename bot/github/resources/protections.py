"""Protection rules of GitHub Environments, and the branches that they restrict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import dig, flag, items, number, required_text, text
from bot.github.resources.visibility import require_visible
from bot.model.errors import Unavailable
from bot.model.protection import UNPROTECTED, Branch, Protection, Reviewers
from bot.model.repository import Repository

_BRANCH_POLICY = "branch_policy"
"""Type of the rule whose contents are in `deployment_branch_policy`."""


class Protections:
    """Reads the rules of GitHub Environments and the branches they name."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    async def protection(self, repository: Repository, environment: str) -> Protection:
        """No rules only when the App can see the repository and the environment is absent or has none."""
        path = f"/repositories/{repository.id}/environments/{quote(environment, safe='')}"
        try:
            data = (await self._client.get(repository.installation_id, path)).json()
        except NotFound:
            await require_visible(self._client, repository)
            return UNPROTECTED
        rules = dig(data, "protection_rules")
        if not isinstance(rules, list):
            raise Unavailable("GitHub's answer lacks protection_rules.")
        reviewers, wait = None, timedelta(0)
        others: list[str] = []
        for rule in rules:
            kind, minutes = text(rule, "type"), number(rule, "wait_timer")
            if kind == "required_reviewers":
                reviewers = _reviewers(rule)
            elif kind == "wait_timer" and minutes is not None:
                wait = timedelta(minutes=minutes)
            elif kind != _BRANCH_POLICY:
                others.append(kind or "without a type")
        policy = dig(data, "deployment_branch_policy")
        custom = flag(policy, "custom_branch_policies")
        protected = flag(policy, "protected_branches")
        if not (custom or protected) and (
            policy or any(text(rule, "type") == _BRANCH_POLICY for rule in rules)
        ):
            others.append(_BRANCH_POLICY)
        return Protection(
            reviewers=reviewers,
            wait=wait,
            protected_branches=protected,
            branches=await self._patterns(repository, path) if custom else None,
            unsupported_rules=(*others, *await self._apps(repository, path)),
        )

    async def branch(self, repository: Repository, name: str | None) -> Branch:
        """A branch; None means the default branch. The name is empty when the branch does not exist."""
        path = f"/repositories/{repository.id}"
        if name is None:
            name = required_text(
                (await self._client.get(repository.installation_id, path)).json(), "default_branch"
            )
        try:
            reply = await self._client.get(
                repository.installation_id, f"{path}/branches/{quote(name, safe='')}"
            )
        except NotFound:
            await require_visible(self._client, repository)
            return Branch("")
        data = reply.json()
        return Branch(required_text(data, "name"), flag(data, "protected"))

    async def _patterns(self, repository: Repository, path: str) -> tuple[str, ...]:
        """Branch patterns; tag patterns are ignored."""
        pages = self._client.pages(
            repository.installation_id, f"{path}/deployment-branch-policies", key="branch_policies"
        )
        policies = [policy async for page in pages for policy in page]
        return tuple(
            filter(
                None, (text(policy, "name") for policy in policies if text(policy, "type") in ("", "branch"))
            )
        )

    async def _apps(self, repository: Repository, path: str) -> Sequence[str]:
        """Custom deployment protection rules, which other Apps implement."""
        pages = self._client.pages(
            repository.installation_id,
            f"{path}/deployment_protection_rules",
            key="custom_deployment_protection_rules",
        )
        try:
            rules = [rule async for page in pages for rule in page]
        except NotFound:
            # The environment exists, so this server does not support custom rules.
            return ()
        return [f"of the App {text(rule, 'app', 'slug')}" for rule in rules if flag(rule, "enabled")]


def _reviewers(rule: object) -> Reviewers:
    listed = items(rule, "reviewers")
    users = [text(item, "reviewer", "login") for item in listed if text(item, "type") == "User"]
    teams = [text(item, "reviewer", "slug") for item in listed if text(item, "type") == "Team"]
    return Reviewers(tuple(filter(None, users)), tuple(filter(None, teams)))
