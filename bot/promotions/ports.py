"""What promotions ask of the other rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.environments.ports import Fence, SaveReceipt
from bot.model.ci import Ci, CiState
from bot.model.commit import Commit
from bot.model.environment import Environment, EnvironmentKey
from bot.model.manifest import RenderRequest
from bot.model.parity import Comparable
from bot.model.promotion import AuditEntry, Promotion, StageAggregate, StageRecord
from bot.model.protection import Branch, Protection
from bot.model.pull_request import PullRequest, Review
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.model.work import Claim


class GitHub(Protocol):
    """Reads raise TryAgain when GitHub does not answer or asks for a pause, Rejected when it refuses."""

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None: ...

    async def default_branch_file(self, repository: Repository, path: str) -> str | None: ...

    async def head(self, repository: Repository) -> Commit | None:
        """Of the default branch; after it the files of the default branch are read anew."""

    async def last_change(self, repository: Repository, path: str) -> Commit | None:
        """The default branch's last commit that changed the path."""

    async def commit(self, repository: Repository, sha: str) -> Commit: ...

    async def merged_by(self, repository: Repository, sha: str) -> int | None:
        """The pull request that brought the commit into its base branch; None when none did."""

    async def tag(self, repository: Repository, name: str) -> str | None:
        """The commit that the tag names now."""

    async def in_default_branch(self, repository: Repository, sha: str) -> bool:
        """Whether the default branch has the commit in its history."""

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]: ...

    async def tree(self, repository: Repository, commit: str) -> str:
        """Git's name of the commit's content."""

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        """What each reviewer said last; only the yes of somebody who may write is one."""

    async def authors(self, repository: Repository, number: int) -> Sequence[str]:
        """Who opened the pull request, or wrote or committed one of its commits."""

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        """Whether the person is in a team of the repository's organisation."""

    async def protection(self, repository: Repository, environment: str) -> Protection:
        """The rules of a GitHub Environment; none where there is no such environment."""

    async def branch(self, repository: Repository, name: str | None) -> Branch:
        """A branch as it is now; None means the default branch."""

    async def checks(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        """What check runs and statuses say of the commit, by name."""

    async def ci(self, repository: Repository, commit: str) -> Ci: ...

    async def tell(
        self,
        promotion: Promotion,
        pull: PullRequest | None,
        receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        passing: bool = False,
    ) -> None:
        """Makes comment and Deployment say what the promotion says; writes nothing when they do.

        Without a pull request it is the Deployment alone. What is passing will soon be something else:
        TryAgain rather than to hold up anything else that is told.
        """


class RepositoryReader(Protocol):
    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as it was named last."""


class ImageResolver(Protocol):
    async def resolve(self, image: str, tag: str) -> str | None:
        """The digest behind a tag; None while there is no such manifest."""


class ComparableRenderer(Protocol):
    async def comparable(self, request: RenderRequest) -> Comparable:
        """What can be compared with that of another request for the same place."""


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class AuditReader(Protocol):
    async def entries(
        self, repository_id: int | None = None, *, stage: str | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Those that fit every given condition, the newest first."""


class ReleaseStore(Protocol):
    async def keep(self, release: PromotableRelease) -> None:
        """A release that is known already is left as it is."""

    async def get(self, repository_id: int, id: str) -> PromotableRelease | None: ...

    async def of_commit(self, repository_id: int, commit: str) -> PromotableRelease | None:
        """The one that was made last."""

    async def learn_tree(self, release: PromotableRelease, tree: str) -> PromotableRelease: ...


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

    async def carried_out(self, repository_id: int, token: str) -> str | None:
        """Which promotion a comment or call was about ("" for none), if it was carried out already."""

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
        """Those that fit every given condition, the newest first."""

    async def stages(self, repository_id: int | None = None) -> Sequence[StageRecord]: ...

    async def wake(self, stage: EnvironmentKey) -> None: ...

    async def check(self, claim: Claim) -> None: ...

    async def receipt(self, id: str) -> str: ...

    async def save_receipt(self, claim: Claim, id: str, receipt: str) -> None: ...
