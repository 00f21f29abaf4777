"""Harness for the GitHub client: the embedded GitHub over HTTP, with one pull request to report on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.embedded.github import GitHubServer
from bot.github.app import GitHubApp
from bot.model.environment import (
    Attempt,
    CheckResult,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
URL = "http://pr-1-shop.preview.localhost:8080"
FILES = {
    "README.md": "# Shop\n",
    ".greenroom.yml": "version: 1\n",
    "deploy/web.yaml": "kind: Deployment\n",
}


class Clock:
    """Real time plus an offset."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class GitHubHarness:
    """The worker of one environment: stores the receipt and reports."""

    def __init__(self, github: GitHubServer) -> None:
        self.github = github
        self.clock = Clock()
        self.app = self._process()
        self.receipt = ""
        self.saves: list[str] = []
        self.fences = 0
        shop = github.world.repository("acme/shop")
        [installation] = github.world.state.installations
        self.repository = Repository(shop.id, installation, "acme", "shop")

    async def restart(self) -> None:
        """Start a new process: only the store and GitHub keep state."""
        await self.app.close()
        self.app = self._process()

    def _process(self) -> GitHubApp:
        credentials = self.github.credentials
        return GitHubApp(
            api_url=self.github.api_url,
            app_id=credentials.app_id,
            private_key=credentials.private_key,
            public_url="https://greenroom.example.com",
            clock=self.clock,
        )

    async def pull(self, number: int = 1) -> PullRequest:
        pull = await self.app.pull_requests.pull_request(self.repository, number)
        assert pull is not None
        return pull

    async def fence(self) -> None:
        self.fences += 1

    async def save(self, receipt: str) -> None:
        self.saves.append(receipt)
        self.receipt = receipt

    async def report(self, pull: PullRequest, status: Status, *, deferrable: bool = False) -> None:
        key = EnvironmentKey.preview(pull.repository.id, pull.number)
        environment = Environment(
            key, pull.repository, "gr-shop", 1, 1, status, Attempt(), UserOverrides(), self.receipt, NOW, NOW
        )
        await self.app.reporter.report(
            environment, pull, status, self.fence, self.save, deferrable=deferrable
        )

    @property
    def comments(self) -> list[str]:
        return [comment.body for comment in self.github.comments.on("acme/shop", 1)]

    def checks(self, sha: str) -> Mapping[str, str]:
        """The conclusion of each check run, or its status until it is completed."""
        runs = self.github.checks.runs("acme/shop", sha)
        ours = [run for run in runs if run.app == self.github.credentials.slug]
        assert len(ours) == len({run.name for run in ours}), "a check run was created twice"
        return {run.name: run.conclusion or run.status for run in ours}

    @property
    def deployments(self) -> list[tuple[str, str]]:
        """Commit and state of each deployment."""
        return [(deployment.sha, deployment.state) for deployment in self.github.deployments.of("acme/shop")]

    def api_calls(self) -> list[str]:
        """Calls that count against the rate limit; another service delivers the archive."""
        calls = self.github.requests.calls()
        return [f"{call.method} {call.path}" for call in calls if not call.path.startswith("/_codeload")]


def pending(commit: str, live: str | None = None) -> Status:
    return Status(
        EnvironmentState.PENDING, commit=commit, live_commit=live, expires_at=NOW + timedelta(days=3)
    )


def ready(commit: str, checks: tuple[CheckResult, ...] = ()) -> Status:
    done = {phase: PhaseRecord(NOW, NOW + timedelta(seconds=2)) for phase in Phase}
    return replace(
        pending(commit, commit),
        state=EnvironmentState.READY,
        images={"shop": "sha256:" + "ab" * 32},
        url=URL,
        phases=done,
        checks=checks,
    )


def failed(commit: str, summary: str, detail: str = "") -> Status:
    return replace(pending(commit), state=EnvironmentState.FAILED, cause=StatusMessage(summary, detail))


@asynccontextmanager
async def shop_harness(changed: str = "price.txt") -> AsyncIterator[GitHubHarness]:
    """acme/shop with a pull request of ben's that changes one file."""
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {changed: "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()
