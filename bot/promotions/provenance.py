"""Who reviewed a release, and how that is known. Pure; no other module decides it.

A review covers a commit only if the commit is the exact head that was reviewed, or the pull request's own
merge commit with an equal tree, and only if the pull request kept its base since the review. Which pull
request brought a commit is what GitHub reports, never where a command was typed. What cannot be read never
counts as reviewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.model.commit import UnknownAuthor
from bot.model.pull_request import PullRequest, Review
from bot.model.release import Origin, PromotableRelease


@dataclass(frozen=True, slots=True)
class Provenance:
    """What GitHub reports about the origin of a commit."""

    pull: PullRequest | None = None
    """The pull request that brought the commit; None without one."""
    from_fork: bool = False
    """Whether the CI of a fork may have built the commit's images."""
    authors: tuple[str, ...] | None = None
    """Authors, committers and co-authors; None when they cannot be read."""
    reviews: tuple[Review, ...] | None = None
    """Last review of each reviewer; None when they were not or cannot be read."""
    tree: str = ""
    """Git tree of the commit; "" while it is unknown."""
    head_tree: str = ""
    """Git tree of the pull request's head; "" while it is unknown."""
    unknown: tuple[UnknownAuthor, ...] = ()
    """Authors that GitHub attributes to no account."""
    vouched_by: tuple[str, ...] = ()
    """Maintainers who vouched for the unknown ones; they count as authors in their place."""


class Doubt(StrEnum):
    """Why no review covers a commit."""

    UNREADABLE = "the pull request or its reviews cannot be read"
    NO_PULL_REQUEST = "no pull request brought the commit"
    OTHER_BRANCH = "the pull request targets another branch"
    NOT_THE_HEAD = "the commit is neither the reviewed head nor the merge commit"
    UNKNOWN_AUTHOR = "GitHub does not know who wrote or pushed a commit"
    CONTENT_CHANGED = "merging changed the content"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The reviewers whose approval covers the commit; none is possible."""

    by: frozenset[str]
    """Logins in lower case."""
    outdated: frozenset[str] = frozenset()
    """Reviewers whose approval was for another base."""


def reviewed(commit: str, provenance: Provenance | None) -> Reviewed | Doubt:
    """The approvals that cover a commit, or why none can. None stands for an unreadable provenance."""
    if provenance is None:
        return Doubt.UNREADABLE
    pull = provenance.pull
    if pull is None:
        return Doubt.NO_PULL_REQUEST
    if pull.base_ref != pull.default_branch:
        return Doubt.OTHER_BRANCH
    if commit != pull.head_sha:
        if not _is_merge_commit(commit, pull):
            return Doubt.NOT_THE_HEAD
        if not provenance.tree or not provenance.head_tree:
            return Doubt.UNREADABLE
        if provenance.tree != provenance.head_tree:
            return Doubt.CONTENT_CHANGED
    if provenance.reviews is None or provenance.authors is None:
        return Doubt.UNREADABLE
    if not is_attributed(provenance):
        return Doubt.UNKNOWN_AUTHOR
    written_by = (pull.author, *provenance.authors, *provenance.vouched_by)
    authors = {author.lower() for author in written_by}
    of_head = [review for review in provenance.reviews if review.approved and review.commit == pull.head_sha]
    approving = {review.by.lower() for review in of_head if is_of_present_base(review)}
    outdated = {review.by.lower() for review in of_head} - approving
    return Reviewed(frozenset(approving - authors), frozenset(outdated - authors))


def is_of_present_base(review: Review) -> bool:
    """Whether the reviewer saw the difference to the current base; times are precise to the second."""
    changed_at, submitted_at = review.base_changed_at, review.submitted_at
    return changed_at is None or (submitted_at is not None and submitted_at > changed_at)


def needs_trees(commit: str, pull: PullRequest) -> bool:
    """Whether a review counts only if the trees of head and commit are equal."""
    return commit != pull.head_sha and _is_merge_commit(commit, pull)


def is_attributed(provenance: Provenance) -> bool:
    """Whether everyone who wrote or pushed a commit is known, or a maintainer vouched for them."""
    return not provenance.unknown or bool(provenance.vouched_by)


def is_last_content(commit: str, pull: PullRequest) -> bool:
    """Whether the commit is the pull request's head or merge commit: its listed commits are its history."""
    return commit == pull.head_sha or _is_merge_commit(commit, pull)


def vouched_commit(commit: str, pull: PullRequest | None) -> str:
    """The commit for which a maintainer vouches: the pull request's head, also after its merge."""
    return pull.head_sha if pull is not None and _is_merge_commit(commit, pull) else commit


def merged_as(commit: str, pull: PullRequest | None) -> str:
    """The commit of the base branch that has what the pull request's head brought."""
    merged = pull is not None and pull.merged and commit == pull.head_sha
    return (pull.merge_commit or commit) if pull is not None and merged else commit


def source(commit: str, pulls: Sequence[PullRequest]) -> PullRequest | None:
    """The pull request that brought the commit, of those that GitHub lists for it."""

    def rank(pull: PullRequest) -> tuple[bool, ...]:
        return (
            pull.merged,
            pull.base_ref == pull.default_branch,
            _is_merge_commit(commit, pull),
            commit == pull.head_sha,
            pull.open,
        )

    return max(pulls, key=rank, default=None)


def reviewed_at(commit: str, pulls: Sequence[PullRequest]) -> list[PullRequest]:
    """Pull requests to the default branch with the commit as their head: a review of any covers it."""
    return [pull for pull in pulls if pull.head_sha == commit and pull.base_ref == pull.default_branch]


def built_from_fork(commit: str, pulls: Sequence[PullRequest]) -> bool:
    """Whether the CI of a fork may have built a commit, given the pull requests that GitHub lists for it.

    GitHub creates merge commits in the repository itself. A merge by fast-forward has no commit of its own.
    """
    forks = [pull for pull in pulls if pull.from_fork]
    if any(commit == pull.head_sha for pull in forks):
        return True
    return bool(forks) and not any(_is_merge_commit(commit, pull) for pull in pulls)


def corrected(release: PromotableRelease, provenance: Provenance | None) -> PromotableRelease:
    """The release with what GitHub reports now, where the stored values may be wrong.

    The bot made a preview's release from its pull request, but a fork's pull request may have the same head.
    The number of a build of the default branch can be that of the pull request on which the command was
    typed.
    """
    if provenance is None:
        return release
    release = replace(release, from_fork=release.from_fork or provenance.from_fork)
    if release.origin is not Origin.DEFAULT_BRANCH:
        return release
    number = provenance.pull.number if provenance.pull is not None else None
    return replace(release, number=number)


def _is_merge_commit(commit: str, pull: PullRequest) -> bool:
    return pull.merged and commit == pull.merge_commit
