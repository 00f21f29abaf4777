"""The room's facade: everything that the other rooms ask of GitHub."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from bot.commands.outcome import Outcome, StatusAnswer
from bot.commands.ports import SaveAnswer
from bot.environments.ports import Fence, SaveReceipt
from bot.github.client.cache import Bounded
from bot.github.client.client import Client
from bot.github.client.connection import Connection
from bot.github.client.telemetry import NoTelemetry, Telemetry
from bot.github.messages.commands import answer
from bot.github.reporter.plan import preview_environment
from bot.github.reporter.recovery import Recovery
from bot.github.reporter.reporter import Reporter
from bot.github.resources.ci import read_checks, read_ci
from bot.github.resources.collaborators import People
from bot.github.resources.comments import Comments
from bot.github.resources.commits import History
from bot.github.resources.contents import Contents
from bot.github.resources.deployments import Deployments
from bot.github.resources.environments import read_branch, read_protection
from bot.github.resources.installations import Installations
from bot.github.resources.permissions import missing
from bot.github.resources.pull_requests import Pulls
from bot.github.resources.sign_in import SignIn, web_url
from bot.github.resources.teams import in_team
from bot.model.ci import Ci, CiState
from bot.model.command import PostedComment, RecordedCommand
from bot.model.commit import Commit
from bot.model.delivery import FailedDelivery
from bot.model.environment import Environment, EnvironmentKey, Status
from bot.model.errors import Rejected
from bot.model.person import Person
from bot.model.promotion import Promotion
from bot.model.protection import Branch, Protection
from bot.model.pull_request import PullRequest, Review
from bot.model.repository import Repository
from bot.model.role import Role

log = structlog.get_logger()

_UNTOLD = NoTelemetry()


def _now() -> datetime:
    return datetime.now(UTC)


class GitHubApp:
    """Speaks as the App and its installations.

    Every call raises TryAgain when GitHub does not answer or asks for a pause, Rejected when it refuses.
    `api_url` may have a path (Enterprise Server); `public_url` is where people reach the bot's pages.
    """

    def __init__(
        self,
        *,
        api_url: str,
        app_id: int,
        private_key: str,
        public_url: str,
        ca_file: str | None = None,
        clock: Callable[[], datetime] = _now,
        telemetry: Telemetry = _UNTOLD,
    ) -> None:
        self._connection = Connection(api_url, app_id, private_key, clock, ca_file, telemetry)
        self._client = Client(self._connection, clock, telemetry)
        self._app_id = app_id
        self._pulls = Pulls(self._client)
        self._contents = Contents(self._client)
        self._history = History(self._client)
        self._heads: Bounded[tuple[int, int], str] = Bounded(10_000, lambda _: 1)
        self._installations = Installations(self._client)
        self._people = People(self._client)
        self.web_url = web_url(api_url)
        adoption = Recovery(self._client, app_id)
        self._deployments = Deployments(self._client, adoption)
        self._reporter = Reporter(self._client, adoption, public_url)
        self._comments = Comments(self._client, adoption)

    async def close(self) -> None:
        await self._connection.close()

    async def pull_request(self, repository: Repository, number: int) -> PullRequest | None:
        """None only when the repository is seen and has no such pull request."""
        pull = await self._pulls.get(repository, number)
        if pull is not None:
            key = (repository.id, number)
            # Somebody asked, and no push is the reason: it may be that the configuration changed.
            if self._heads.get(key) in (None, pull.head_sha):
                self._contents.forget(repository)
            self._heads.put(key, pull.head_sha)
        return pull

    async def lost(self, repository: Repository) -> bool:
        """Whether GitHub answers, and its answers show that the App cannot see the repository any more.

        An installation that lists nothing at all shows nothing of the kind; a suspended one neither.
        """
        try:
            if not await self._installations.exists(repository.installation_id):
                return True
            listed = await self._installations.repositories(repository.installation_id)
        except Rejected as error:
            log.warning("GitHub does not say what the App can see", reason=str(error))
            return False
        return bool(listed) and all(each.id != repository.id for each in listed)

    async def open_pulls(self, repository: Repository) -> Sequence[PullRequest]:
        return await self._pulls.open(repository)

    async def changed_paths(self, repository: Repository, number: int) -> Sequence[str]:
        """Old and new paths; empty when there are more than GitHub lists."""
        return await self._pulls.changed_paths(repository, number)

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        """The file's text; None when the repository is seen and has no such file.

        At most a minute old, and read anew after each `head`, and each `pull_request` that found the same
        head as before.
        """
        return await self._contents.default_branch_file(repository, path)

    async def head(self, repository: Repository) -> Commit | None:
        """Of the default branch; None while it has no commit."""
        self._contents.forget(repository)
        return await self._history.newest(repository)

    async def last_change(self, repository: Repository, path: str) -> Commit | None:
        """The default branch's last commit that changed the path."""
        return await self._history.newest(repository, path)

    async def commit(self, repository: Repository, sha: str) -> Commit:
        return await self._history.commit(repository, sha)

    async def merged_by(self, repository: Repository, sha: str) -> int | None:
        """The pull request that brought the commit into its base branch; None when none did."""
        return await self._history.merged_by(repository, sha)

    async def tag(self, repository: Repository, name: str) -> str | None:
        """The commit that the tag names now, also an annotated one; None when there is no such tag."""
        return await self._history.tag(repository, name)

    async def in_default_branch(self, repository: Repository, sha: str) -> bool:
        """Whether the default branch has the commit in its history; what only a fork has does not count."""
        return await self._history.in_default_branch(repository, sha)

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]:
        return await self._contents.files(repository, commit)

    async def tree(self, repository: Repository, commit: str) -> str:
        """Git's name of the commit's content."""
        return await self._contents.tree(repository, commit)

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        """What each reviewer said last. As on GitHub, a yes of somebody who may not write is an opinion."""
        return [
            replace(each, approved=each.approved and (await self.role(repository, each.by)).may_write)
            for each in await self._pulls.reviews(repository, number)
        ]

    async def authors(self, repository: Repository, number: int) -> Sequence[str]:
        """Logins of who opened the pull request, or wrote or committed one of its commits."""
        return await self._pulls.authors(repository, number)

    async def in_team(self, repository: Repository, team: str, login: str) -> bool:
        """Whether the person is in a team of the repository's organisation."""
        return await in_team(self._client, repository, team, login)

    async def protection(self, repository: Repository, environment: str) -> Protection:
        """The rules of a GitHub Environment; none where there is no such environment."""
        return await read_protection(self._client, repository, environment)

    async def branch(self, repository: Repository, name: str | None) -> Branch:
        """A branch as it is now; None means the default branch."""
        return await read_branch(self._client, repository, name)

    async def checks(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        """What check runs and statuses say of the commit, by name."""
        return await read_checks(self._client, self._app_id, repository, commit)

    async def ci(self, repository: Repository, commit: str) -> Ci:
        return await read_ci(self._client, self._app_id, repository, commit)

    async def active_deployments(self, repository: Repository, standing: Collection[int]) -> Collection[int]:
        """Pull requests, but for those with a standing preview, of which a Deployment of ours is active."""
        return await self._deployments.active(repository, standing)

    async def retire(self, key: EnvironmentKey, pull: PullRequest, fence: Fence) -> int:
        """Makes our Deployments of the environment inactive, known or not; says how many were not."""
        return await self._deployments.retire(preview_environment(int(key.name)), pull, fence)

    async def report(
        self,
        environment: Environment,
        pull: PullRequest,
        status: Status,
        fence: Fence,
        save: SaveReceipt,
        *,
        passing: bool = False,
    ) -> None:
        """Raises what GitHub said of the writes that failed, after the others were made and remembered."""
        await self._reporter.report(environment, pull, status, fence, save, passing=passing)

    async def comment(self, repository: Repository, comment_id: int) -> PostedComment | None:
        """None only when the repository is seen and has no such comment."""
        return await self._comments.get(repository, comment_id)

    async def role(self, repository: Repository, login: str) -> Role:
        """NONE for whoever is no collaborator."""
        return await self._people.role(repository, login)

    async def acknowledge(self, repository: Repository, comment_id: int, fence: Fence) -> None:
        """Puts eyes on the comment; once, however often it is called."""
        await self._comments.acknowledge(repository, comment_id, fence)

    async def answer(
        self,
        heard: RecordedCommand,
        outcome: Outcome,
        account: StatusAnswer | None,
        fence: Fence,
        save: SaveAnswer,
    ) -> None:
        """Answers in a comment of its own: exactly one, whatever happened to an earlier try."""
        body = answer(outcome, account, heard.comment_id)
        await self._comments.answer(heard, body, fence, save)

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
        """Makes comment and Deployment of a promotion say what it says; the latter without a pull request."""
        await self._reporter.tell(promotion, pull, receipt, fence, save, passing=passing)

    async def repositories(self) -> Sequence[Repository]:
        """Of all installations that are not suspended and let us in; of each, all or none."""
        found: list[Repository] = []
        for installation in await self._installations.all():
            if installation.suspended:
                continue
            try:
                found += await self._installations.repositories(installation.id)
            except Rejected as error:
                log.warning("an installation is left out", account=installation.account, reason=str(error))
        return found

    async def failed_deliveries(self, since: datetime) -> Sequence[FailedDelivery]:
        """The newest attempt of each delivery that no attempt since then brought to us, oldest first."""
        return await self._installations.failed_deliveries(since)

    async def redeliver(self, delivery: FailedDelivery) -> None:
        await self._installations.redeliver(delivery)

    async def may_read(self, repository: Repository, person: Person) -> bool:
        """Whether GitHub says that this person can read the repository."""
        return await self._people.may_read(repository, person)

    def sign_in(self, client_id: str, client_secret: str) -> SignIn:
        """The App's web flow, over the same connection."""
        return SignIn(self._connection, self.web_url, client_id, client_secret)

    async def missing(self) -> Sequence[str]:
        """What the App and its installations lack, in sentences that say what to do. Empty: all is well."""
        return await missing(self._client)
