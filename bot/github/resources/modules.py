"""Terraform modules in repositories other than the application's."""

from __future__ import annotations

from collections.abc import Collection

from bot.github.client.failures import NotFound
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import required_number
from bot.github.resources.commits import Commits
from bot.github.resources.installations import read_repository
from bot.model.errors import Rejected
from bot.model.repository import Repository


class ModuleRepositories:
    """Those of the same owner where the App is installed, and those that the operator allows."""

    def __init__(self, client: GitHubClient, commits: Commits, allowed: Collection[str]) -> None:
        self._client = client
        self._commits = commits
        self._allowed = allowed

    async def find(self, repository: Repository, name: str) -> Repository:
        owner, _, short = name.partition("/")
        self._require_allowed(repository, Repository(0, 0, owner, short))
        try:
            reply = await self._client.get(None, f"/repos/{name}/installation")
            installation = required_number(reply.json(), "id")
        except NotFound:
            if not Repository(0, 0, owner, short).is_among(self._allowed):
                raise Rejected(
                    f"The App is not installed in {name}, which has the Terraform module: install it there."
                ) from None
            installation = repository.installation_id  # it can be public
        try:
            reply = await self._client.get(installation, f"/repos/{name}")
        except NotFound:
            raise Rejected(
                f"The App cannot see {name}, which has the Terraform module: install it there."
            ) from None
        visible = read_repository(reply.json(), installation)
        self._require_allowed(repository, visible)  # it can be the new name of a transferred one
        return visible

    async def tagged(self, repository: Repository, tag: str) -> str:
        commit = await self._commits.tag(repository, tag)
        if commit is None:
            raise Rejected(
                f"{repository.full_name} has no tag {tag}: `ref` of a Terraform module is a tag or a full "
                "commit SHA."
            )
        return commit

    def _require_allowed(self, repository: Repository, other: Repository) -> None:
        if other.owner.lower() != repository.owner.lower() and not other.is_among(self._allowed):
            raise Rejected(
                f"{other.full_name} does not belong to the owner of {repository.full_name}, so its Terraform "
                "modules do not run here. The operator can allow it: GREENROOM_TERRAFORM_MODULE_REPOSITORIES."
            )
