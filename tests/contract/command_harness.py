"""Harness for commands: the embedded GitHub over HTTP, a store on disk, and the handler between them."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.commands.handler import CommandHandler, CommandPorts
from bot.commands.outcome import Outcome
from bot.commands.ports import Change, CommandStore
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.commands.table import Verb
from bot.embedded.github import GitHubServer
from bot.embedded.github.state.records import Comment
from bot.github.app import GitHubApp
from bot.github.messages.command_reasons import refusal_note
from bot.github.messages.promotion_reasons import describe
from bot.intake.parser import parse_delivery
from bot.model.command import RecordedCommand
from bot.model.delivery import PullRequestHint
from bot.model.environment import (
    Decision,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.promotion import AuditEntry
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.promotions.service import PromotionService
from bot.promotions.view_reader import StageViewReader
from bot.store import Store
from tests.stores import new_store

SHOP = "acme/shop"
LONGEST = timedelta(days=14)


class Killed(Exception):
    """Stands for the end of the process."""


@dataclass
class CrashingCommandStore:
    """The store's commands; the process can be killed before it stores an outcome."""

    commands: CommandStore
    dies: bool

    async def claimed(self, claim: Claim) -> tuple[RecordedCommand, Outcome | None] | None:
        return await self.commands.claimed(claim)

    async def check(self, claim: Claim) -> None:
        await self.commands.check(claim)

    async def decide(
        self,
        claim: Claim,
        command: RecordedCommand,
        outcome: Outcome,
        change: Change | None,
        by: str,
        refusal_note: Callable[[Outcome], str],
    ) -> Outcome:
        if self.dies:
            raise Killed
        return await self.commands.decide(claim, command, outcome, change, by, refusal_note)

    async def answered(self, claim: Claim, command: RecordedCommand, answer: str) -> None:
        await self.commands.answered(claim, command, answer)

    async def finish(self, claim: Claim, command: RecordedCommand) -> None:
        await self.commands.finish(claim, command)


class CommandHarness:
    """A repository with a user per role, a pull request (1) and one from a fork (2)."""

    own, fork = 1, 2

    def __init__(self, github: GitHubServer, store: Store) -> None:
        self.github = github
        self.store = store
        shop = github.world.repository(SHOP)
        [installation] = github.world.state.installations
        self.repository = Repository(shop.id, installation, "acme", "shop")
        self._guids = itertools.count()
        self.dies = False
        """Kill the worker between a stage's change and the command's outcome."""

    def process(self) -> GitHubApp:
        """A new process: only the store and GitHub keep state."""
        credentials = self.github.credentials
        return GitHubApp(
            api_url=self.github.api_url,
            app_id=credentials.app_id,
            private_key=credentials.private_key,
            public_url="https://greenroom.example.com",
        )

    def head(self, number: int) -> str:
        return self.github.pulls.get(SHOP, number).head_sha

    async def record_heads(self) -> None:
        """Record the heads, as the deliveries `opened` and `synchronize` do."""
        hints = [
            PullRequestHint(self.repository, number, self.head(number), open=True)
            for number in (self.own, self.fork)
        ]
        await self.store.deliveries.apply_hints(hints)

    def comment(self, number: int, login: str, body: str) -> Comment:
        return self.github.comments.create(SHOP, number, body, by=login)

    async def deliver(self, comment: Comment, action: str = "created", **changed: Any) -> None:
        """Deliver the comment's webhook with a new GUID."""
        kind = self.github.world.account(comment.author).kind
        payload = {
            "action": action,
            "issue": {"number": comment.number, "pull_request": {"url": ""}},
            "comment": {"id": comment.id, "body": comment.body, "user": {"type": kind}} | changed,
            "repository": {"id": self.repository.id, "name": "shop", "owner": {"login": "acme"}},
            "installation": {"id": self.repository.installation_id},
        }
        guid = f"guid-{next(self._guids)}"
        reading = parse_delivery("issue_comment", guid, json.dumps(payload).encode(), datetime.now(UTC))
        await self.store.deliveries.record(reading.delivery, reading.effects)

    async def work(self) -> int:
        """Process all waiting commands, each in a new process; returns their number."""
        claims = await self.store.queue.claim("test", 100, 30)
        for claim in claims:
            if claim.key.kind != "command":  # environments are not reconciled here
                await self.store.queue.finish(claim)
                continue
            app = self.process()
            try:
                await self._handler(app)(claim)
            except Exception as error:
                await self.store.queue.fail(claim, str(error), datetime.now(UTC))
                raise
            finally:
                await app.close()
            await self.store.queue.finish(claim)
        return sum(claim.key.kind == "command" for claim in claims)

    def _handler(self, app: GitHubApp) -> CommandHandler:
        store = self.store

        def clock() -> datetime:
            return datetime.now(UTC)

        stage_commands = StageCommands(
            PromotionService(store.promotions, store.releases, app.promotion_readers, clock, describe)
        )
        view_reader = StageViewReader(
            store.promotions,
            store.environments,
            store.releases,
            store.audit,
            app.contents,
            store.drifts,
            clock,
        )
        status_query = StatusQuery(store.environments, store.journal, store.queue, view_reader, clock)
        ports = CommandPorts(
            CrashingCommandStore(store.commands, self.dies),
            store.environments,
            app.comments,
            app.pull_requests,
            app.collaborators,
            stage_commands,
            status_query,
            clock,
            refusal_note,
        )
        return CommandHandler(ports, LONGEST)

    async def type(self, number: int, login: str, body: str) -> Outcome | None:
        """Post and process a comment; returns the outcome, or None if there is none."""
        comment = self.comment(number, login, body)
        await self.deliver(comment)
        await self.work()
        return await self.outcome(comment)

    async def outcome(self, comment: Comment) -> Outcome | None:
        stored = await self.store.commands.get(comment.id)
        return stored[1] if stored else None

    async def environment(self, number: int) -> Environment:
        environment = await self.store.environments.get(EnvironmentKey.preview(self.repository.id, number))
        assert environment is not None
        return environment

    async def overrides(self, number: int) -> UserOverrides:
        return (await self.environment(number)).overrides

    async def audit(self) -> list[AuditEntry]:
        """The newest first."""
        return await self.store.audit.entries(self.repository.id)

    async def requested(self, number: int) -> list[Decision]:
        return [decision for decision in await self._journal(number) if decision.action == "asked"]

    async def refused(self, number: int) -> list[tuple[str, str]]:
        """Reason and user of each refused command, the newest first."""
        return [
            (decision.reason, decision.by)
            for decision in await self._journal(number)
            if decision.action == "refused"
        ]

    async def _journal(self, number: int) -> list[Decision]:
        return await self.store.journal.decisions(EnvironmentKey.preview(self.repository.id, number))

    async def is_queued(self, comment: Comment) -> bool:
        return await self.store.queue.look(WorkKey.command(comment.id)) is not None

    def answers(self, number: int) -> list[str]:
        return [comment.body for comment in self.github.comments.on(SHOP, number) if comment.app is not None]

    def reactions(self, comment: Comment) -> list[str]:
        return [reaction.content for reaction in self.github.comments.reactions(comment.id)]


ROLES = ("read", "triage", "write", "maintain", "admin")


@asynccontextmanager
async def command_harness(folder: Path) -> AsyncIterator[CommandHarness]:
    """Users are named after their role; `stranger` has none, and `mallory` owns the fork."""
    store = await new_store(folder / "greenroom.db")
    with GitHubServer() as github:
        github.accounts.create_organization("acme")
        for login in (*ROLES, "stranger", "mallory"):
            github.accounts.create_user(login)
        github.accounts.create_bot("helper[bot]")
        github.repositories.create(SHOP, {"README.md": "# Shop\n"})
        for role in ROLES:
            github.repositories.set_role(SHOP, role, role)  # type: ignore[arg-type]  # it is one of them
        github.repositories.set_role(SHOP, "helper[bot]", "admin")
        github.repositories.push(SHOP, "price", {"price.txt": "2\n"}, by="write")
        github.pulls.open(SHOP, "price", by="write", title="Raise the price")
        github.repositories.fork(SHOP, by="mallory")
        github.repositories.push("mallory/shop", "mine", {"price.txt": "0\n"}, by="mallory")
        github.pulls.open(SHOP, "mallory:mine", by="mallory", title="All for free")
        github.apps.install("acme", by="admin")
        harness = CommandHarness(github, store)
        await harness.record_heads()
        yield harness
    await store.close()


OWN = {Verb.STATUS, Verb.WHY, Verb.HELP}
READ = OWN | {Verb.DRIFT}
MANAGE = READ | {Verb.SLEEP, Verb.WAKE, Verb.EXTEND, Verb.DESTROY}
COMMANDS_OF_WRITERS = set(Verb) - {Verb.VOUCH, Verb.REPLACE}
MATRIX: dict[str, tuple[str, int, set[Verb]]] = {
    "none": ("stranger", CommandHarness.own, set()),
    "read": ("read", CommandHarness.own, READ),
    "triage": ("triage", CommandHarness.own, MANAGE),
    "write": ("write", CommandHarness.own, COMMANDS_OF_WRITERS),
    "maintain": ("maintain", CommandHarness.own, set(Verb)),
    "admin": ("admin", CommandHarness.own, set(Verb)),
    "bot": ("helper[bot]", CommandHarness.own, set()),
    "fork author": ("mallory", CommandHarness.fork, OWN | {Verb.SLEEP, Verb.WAKE, Verb.DESTROY}),
}
"""Login, pull request and permitted commands of each role."""

STAGES = """version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  production: {after: [staging], approvals: {count: 2}}
  staging: {}
"""


async def save_status(harness: CommandHarness, number: int, **status: object) -> None:
    """Store a status as the reconciler does."""
    key = EnvironmentKey.preview(harness.repository.id, number)
    await harness.store.queue.enqueue([WorkKey.environment(key)])
    claims = await harness.store.queue.claim("reconciler", 10, 60)
    [claim] = [claim for claim in claims if claim.key == WorkKey.environment(key)]
    environment = await harness.environment(number)
    ready = Status(EnvironmentState.READY, commit=harness.head(number))
    settled = replace(environment, status=replace(ready, **status))  # type: ignore[arg-type]  # its fields
    await harness.store.environments.save(claim, settled)
    for claim in claims:
        await harness.store.queue.finish(claim)
