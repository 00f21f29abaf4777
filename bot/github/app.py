"""Builds the GitHub App's client and its resources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bot.clients.proxies import Proxies
from bot.github.client.connection import NO_METRICS, CallMetrics, Connection
from bot.github.client.github_client import GitHubClient
from bot.github.reporter.drift_issue import DriftIssues
from bot.github.reporter.merge_group import MergeGroups
from bot.github.reporter.recovery import Recovery
from bot.github.reporter.reporter import Reporter
from bot.github.resources.checks import Checks
from bot.github.resources.collaborators import Collaborators
from bot.github.resources.comments import Comments
from bot.github.resources.commits import Commits
from bot.github.resources.contents import Contents
from bot.github.resources.deployments import Deployments
from bot.github.resources.installations import Installations
from bot.github.resources.protections import Protections
from bot.github.resources.pull_requests import PullRequests
from bot.github.resources.sign_in import SignIn, web_url
from bot.model.naming import PREVIEW_ENVIRONMENT
from bot.promotions.ports import GitHubReaders


def _now() -> datetime:
    return datetime.now(UTC)


def _always() -> datetime:
    return datetime.min.replace(tzinfo=UTC)


class GitHubApp:
    """The resources of one GitHub App, on one connection pool.

    Every call of a resource raises Unavailable when GitHub does not answer or is rate limited, Rejected when
    it refuses. `api_url` may have a path (Enterprise Server); `public_url` is where users reach the bot;
    `complete_since`: since when the store has a record of everything that the App created.
    """

    def __init__(  # noqa: PLR0913  # keywords
        self,
        *,
        api_url: str,
        app_id: int,
        private_key: str,
        public_url: str,
        preview_environment: str = PREVIEW_ENVIRONMENT,
        ca_file: str | None = None,
        clock: Callable[[], datetime] = _now,
        metrics: CallMetrics = NO_METRICS,
        proxies: Proxies | None = None,
        complete_since: Callable[[], datetime] = _always,
    ) -> None:
        self.connection = Connection(api_url, app_id, private_key, clock, ca_file, metrics, proxies)
        self.client = GitHubClient(self.connection, clock, metrics)
        self.web_url = web_url(api_url)
        recovery = Recovery(self.client, app_id)
        self.collaborators = Collaborators(self.client)
        self.contents = Contents(self.client)
        self.pull_requests = PullRequests(self.client, self.contents, self.collaborators)
        self.commits = Commits(self.client, self.contents)
        self.checks = Checks(self.client, app_id)
        self.protections = Protections(self.client)
        self.installations = Installations(self.client)
        self.comments = Comments(self.client, recovery)
        self.deployments = Deployments(self.client, recovery)
        self.merge_groups = MergeGroups(self.client, app_id)
        self.drift_issues = DriftIssues(self.client, recovery)
        self.reporter = Reporter(self.client, recovery, public_url, preview_environment, complete_since)

    @property
    def promotion_readers(self) -> GitHubReaders:
        return GitHubReaders(
            pull_requests=self.pull_requests,
            commits=self.commits,
            contents=self.contents,
            checks=self.checks,
            protections=self.protections,
            collaborators=self.collaborators,
        )

    def sign_in(self, client_id: str, client_secret: str) -> SignIn:
        """The App's web flow, on the same connection pool."""
        return SignIn(self.connection, self.web_url, client_id, client_secret)

    async def close(self) -> None:
        await self.connection.close()
