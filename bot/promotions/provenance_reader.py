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
    reviewed_at,
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
        commit, pull = release.commit, _source(release, pulls)
        same = reviewed_at(commit, pulls) if pull is not None and commit == pull.head_sha else []
        twins = [other for other in same if pull is not None and other.number != pull.number]
        from_fork = release.from_fork or built_from_fork(commit, pulls)
        authors = await or_none(self._all_authors(repository, commit, pull, twins))
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
        return await self._with_reviews(repository, release, [pull, *twins], provenance)

    async def _pull_requests(
        self, repository: Repository, release: PromotableRelease
    ) -> Sequence[PullRequest]:
        """Those that GitHub lists for the commit, and a preview's own, which it does not list when closed."""
        listed = await self.github.commits.pull_requests(repository, release.commit)
        if release.origin is Origin.DEFAULT_BRANCH or release.number is None:
            return listed
        pull = await self.github.pull_requests.pull_request(repository, release.number)
        if pull is None:
            raise Rejected(f"GitHub does not show #{release.number}.")
        return [pull, *(other for other in listed if other.number != pull.number)]

    async def _all_authors(
        self, repository: Repository, commit: str, pull: PullRequest | None, twins: Sequence[PullRequest]
    ) -> Authors:
        """All authors, also of other pull requests whose reviews count."""
        read = [await self._authors(repository, commit, brought_by) for brought_by in (pull, *twins)]
        logins = {login for authors in read for login in authors.logins}
        unknown = {person for authors in read for person in authors.unknown}
        return Authors(tuple(sorted(logins)), tuple(sorted(unknown)))

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
        self,
        repository: Repository,
        release: PromotableRelease,
        pulls: Sequence[PullRequest],
        provenance: Provenance,
    ) -> Provenance:
        """`pulls`: the one that brought the commit, and others with the same head."""
        github, commit, pull = self.github, release.commit, pulls[0]
        read = [await or_none(github.pull_requests.reviews(repository, other.number)) for other in pulls]
        reviews = [review for listed in read for review in listed or ()]
        provenance = replace(provenance, reviews=None if None in read else tuple(reviews))
        if not needs_trees(commit, pull):
            return provenance
        tree = release.tree or await or_none(github.commits.tree(repository, commit))
        head_tree = await or_none(github.commits.tree(repository, pull.head_sha))
        return replace(provenance, tree=tree or "", head_tree=head_tree or "")


def _source(release: PromotableRelease, pulls: Sequence[PullRequest]) -> PullRequest | None:
    """For a preview, a pull request with its commit as the head, otherwise its own, which is the first."""
    if release.origin is Origin.DEFAULT_BRANCH or release.number is None:
        return source(release.commit, pulls)
    at_head = [pull for pull in pulls if pull.head_sha == release.commit]
    return source(release.commit, at_head or pulls[:1])


async def or_none(reading: Awaitable[T]) -> T | None:
    """None when GitHub refuses."""
    try:
        return await reading
    except Rejected as error:
        log.warning("fact unreadable", reason=str(error))
        return None
