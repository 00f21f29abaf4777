"""Reads the provenance of a release from GitHub."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from bot.model.commit import Authors, UnknownAuthor, UnknownRole
from bot.model.errors import Rejected
from bot.model.pull_request import PullRequest
from bot.model.release import Origin, PromotableRelease
from bot.model.repository import Repository
from bot.promotions.ports import GitHubReaders, PromotionStore
from bot.promotions.provenance import (
    Provenance,
    built_from_fork,
    is_last_content,
    needs_trees,
    source,
    vouched_commit,
)

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProvenanceReader:
    github: GitHubReaders
    promotions: PromotionStore

    async def read(
        self, repository: Repository, release: PromotableRelease, *, with_reviews: bool
    ) -> Provenance | None:
        """None when GitHub refuses to show which pull request brought the release's commit."""
        pulls = await or_none(self._pull_requests(repository, release))
        if pulls is None:
            return None
        commit, pull = release.commit, source(release.commit, pulls)
        from_fork = release.from_fork
        if release.origin is Origin.DEFAULT_BRANCH:
            from_fork = from_fork or built_from_fork(commit, pulls)
        authors = await or_none(self._authors(repository, commit, pull))
        provenance = Provenance(pull, from_fork)
        if authors is not None:
            vouched_by = await self._vouchers(repository, commit, pull) if authors.unknown else ()
            provenance = replace(
                provenance,
                authors=authors.logins,
                unknown=authors.unknown,
                vouched_by=tuple(vouched_by),
            )
        if pull is None or not with_reviews:
            return provenance
        return await self._with_reviews(repository, release, pull, provenance)

    async def _pull_requests(
        self, repository: Repository, release: PromotableRelease
    ) -> Sequence[PullRequest]:
        """A preview's own pull request; for a build of the default branch, those that GitHub lists."""
        if release.origin is Origin.DEFAULT_BRANCH or release.number is None:
            return await self.github.commits.pull_requests(repository, release.commit)
        pull = await self.github.pull_requests.pull_request(repository, release.number)
        if pull is None:
            raise Rejected(f"GitHub does not show #{release.number}.")
        return [pull]

    async def _authors(self, repository: Repository, commit: str, pull: PullRequest | None) -> Authors:
        if pull is None:
            return await self.github.commits.authors(repository, commit)
        authors = await self.github.pull_requests.authors(repository, pull.number)
        if is_last_content(commit, pull):
            return authors
        # The pull request may no longer contain the commit, and then not its authors either.
        others = (await self.github.commits.commit(repository, commit)).authors
        unknown = UnknownAuthor(commit, UnknownRole.PUSHER)
        return Authors((*authors.logins, *others.logins), (*authors.unknown, *others.unknown, unknown))

    async def _vouchers(self, repository: Repository, commit: str, pull: PullRequest | None) -> Sequence[str]:
        return await self.promotions.vouchers(repository.id, vouched_commit(commit, pull))

    async def _with_reviews(
        self, repository: Repository, release: PromotableRelease, pull: PullRequest, provenance: Provenance
    ) -> Provenance:
        github, commit = self.github, release.commit
        reviews = await or_none(github.pull_requests.reviews(repository, pull.number))
        provenance = replace(provenance, reviews=tuple(reviews) if reviews is not None else None)
        if not needs_trees(commit, pull):
            return provenance
        tree = release.tree or await or_none(github.commits.tree(repository, commit))
        head_tree = await or_none(github.commits.tree(repository, pull.head_sha))
        return replace(provenance, tree=tree or "", head_tree=head_tree or "")


async def or_none(reading: Awaitable[T]) -> T | None:
    """None when GitHub refuses."""
    try:
        return await reading
    except Rejected as error:
        log.warning("fact unreadable", reason=str(error))
        return None
