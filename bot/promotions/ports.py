"""Protocols of the clients and stores that promotions use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.environments.ports import CheckReader, ContentReader, Fence, SaveReceipt
from bot.model.ci import CiState
from bot.model.commit import Authors, Commit
from bot.model.drift import DriftRecord
from bot.model.environment import Environment, EnvironmentKey
from bot.model.manifest import RenderRequest
from bot.model.parity import Comparable
from bot.model.promotion import AuditEntry, Promotion, StageRecord
from bot.model.protection import Branch, Protection
from bot.model.pull_request import PullRequest, Review
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.work import Claim
from bot.promotions.stage_aggregate import StageAggregate


class ReviewReader(Protocol):
    """Raises Unavailable when GitHub does not answer or is rate limited, Rejected when it refuses."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None: ...

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        """The last review of each reviewer; an approval counts only from a user with write access."""

    async def authors(self, repository: Repository, number: int) -> Authors:
        """The user who opened the pull request, and everyone who wrote or pushed its commits."""


class CommitReader(Protocol):
    async def head(self, repository: Repository) -> Commit | None:
        """The head of the default branch, whose files are read anew afterwards."""

    async def last_change(self, repository: Repository, path: str) -> Commit | None:
        """The last commit of the default branch that changed the path."""

    async def commit(self, repository: Repository, sha: str) -> Commit: ...

    async def authors(self, repository: Repository, sha: str) -> Authors:
        """The authors of one commit, with the user who pushed it to the default branch."""

    async def merged_by(self, repository: Repository, sha: str) -> int | None:
        """The pull request that brought the commit into its base branch; None when none did."""

    async def pull_requests(self, repository: Repository, sha: str) -> Sequence[PullRequest]:
        """The repository's pull requests that GitHub associates with the commit."""

    async def tag(self, repository: Repository, name: str) -> str | None:
        """The commit that the tag names now; None without such a tag."""

    async def in_default_branch(self, repository: Repository, sha: str) -> bool:
        """Whether the default branch has the commit in its history."""

    async def behind(self, repository: Repository, sha: str, other: str) -> int:
        """Number of commits that the other one has in its history and this one lacks."""

    async def tree(self, repository: Repository, commit: str) -> str:
        """SHA of the commit's tree."""


class CheckStateReader(CheckReader, Protocol):
    async def check_states(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        """The state of each check run and commit status by name."""


class ConfigurationReader(ContentReader, Protocol):
    def forget(self, repository: Repository) -> None:
        """The next read of a file of the default branch asks GitHub, not a cache."""


class ProtectionReader(Protocol):
    async def protection(self, repository: Repository, environment: str) -> Protection:
        """The rules of a GitHub Environment; none where there is no such environment."""

    async def branch(self, repository: Repository, name: str | None) -> Branch:
        """A branch as it is now; None means the default branch."""


class CollaboratorReader(Protocol):
    async def role(self, repository: Repository, login: str) -> Role:
        """The user's role in the repository, as it is now."""

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        """Whether the user is in a team of the repository's organisation."""


class PromotionReporter(Protocol):
    async def report_promotion(
        self,
        promotion: Promotion,
        pull: PullRequest | None,
        receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
        ends: bool = False,
    ) -> None:
        """Updates comment and Deployment to the promotion; writes nothing when they are up to date.

        Without a pull request there is only the Deployment. `deferrable`: the promotion is about to change.
        Then it raises Unavailable rather than delay other writes. `ends`: it has ended since its last report.
        """


@dataclass(frozen=True, slots=True)
class GitHubReaders:
    """All readers of GitHub that promotions use."""

    pull_requests: ReviewReader
    commits: CommitReader
    contents: ConfigurationReader
    checks: CheckStateReader
    protections: ProtectionReader
    collaborators: CollaboratorReader


class ImageResolver(Protocol):
    async def resolve(self, image: str, tag: str) -> str | None:
        """The digest behind a tag; None while there is no such manifest."""


class ComparableRenderer(Protocol):
    async def comparable(self, request: RenderRequest) -> Comparable:
        """What can be compared with that of another request for the same place."""


class ComparableRenderers(Protocol):
    def __call__(self, cluster: str, /) -> ComparableRenderer:
        """The renderer with the rules of a cluster."""


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class DriftReader(Protocol):
    async def get(self, key: EnvironmentKey) -> DriftRecord | None: ...


class AuditReader(Protocol):
    async def entries(
        self, repository_id: int | None = None, *, stage: str | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Entries that match every given condition, newest first."""


class ReleaseStore(Protocol):
    async def keep(self, release: PromotableRelease) -> None:
        """A release that is known already is left as it is."""

    async def get(self, repository_id: int, id: str) -> PromotableRelease | None: ...

    async def of_commit(self, repository_id: int, commit: str) -> PromotableRelease | None:
        """The one that was made last."""

    async def named(self, repository_id: int, commit_prefix: str) -> Sequence[str]:
        """Ids of releases whose commit begins with these hexadecimal digits, the newest first."""

    async def checks(self, repository_id: int, id: str) -> Mapping[str, bool] | None:
        """Name of each check of the release's preview to whether it passed; None if no preview ran it."""


@dataclass(frozen=True, slots=True)
class LoadedPromotion:
    """A promotion with what its run needs from the store."""

    promotion: Promotion
    receipt: str
    environment: Environment | None
    """The stage's."""
    seen: PromotableRelease | None = None
    """Release of the head that the requester saw, while the promotion has no release."""


class PromotionStore(Protocol):
    async def change(
        self,
        stage: EnvironmentKey,
        repository: Repository,
        change: Callable[[StageAggregate], StageAggregate],
        *,
        promotion_id: str | None = None,
        claim: Claim | None = None,
        token: str = "",
    ) -> StageAggregate:
        """Changes a stage's aggregate in one transaction, with all that follows from it.

        `change` is pure and may be called again. Superseded when there is a claim and it is lost. What
        has a token is done once: afterwards the aggregate is given as it is.
        """

    async def claimed(self, claim: Claim) -> LoadedPromotion | None:
        """The claim's promotion, as read in the transaction of the claim."""

    async def vouch(self, repository: Repository, commit: str, by: str, token: str) -> None:
        """Records that the user vouches for a commit; wakes the promotions that wait. Idempotent."""

    async def vouchers(self, repository_id: int, commit: str) -> Sequence[str]:
        """Users who vouched for the commit."""

    async def carried_out(self, repository_id: int, token: str) -> str | None:
        """Which promotion a comment or call was about ("" for none), if it was executed already."""

    async def get(self, id: str) -> Promotion | None: ...

    async def find(
        self,
        repository_id: int | None = None,
        *,
        stage: EnvironmentKey | None = None,
        number: int | None = None,
        ended: bool | None = None,
        limit: int = 50,
    ) -> Sequence[Promotion]:
        """Entries that match every given condition, newest first."""

    async def stages(self, repository_id: int | None = None) -> Sequence[StageRecord]: ...

    async def check(self, claim: Claim) -> None:
        """Raises Superseded unless the claim is current."""

    async def save_receipt(self, claim: Claim, id: str, receipt: str, *, last: bool = False) -> None:
        """Saves the receipt in the transaction that ends the claim if it is the `last` write."""
