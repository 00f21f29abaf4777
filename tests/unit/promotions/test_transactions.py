"""Store transactions of a `/promote`, from the command's claim until the promotion has succeeded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from bot.commands.grammar import digest
from bot.commands.handler import CommandHandler, CommandPorts
from bot.commands.outcome import Outcome, StatusAnswer
from bot.commands.ports import SaveAnswer
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.environments.ports import Fence
from bot.github.messages.command_reasons import refusal_note
from bot.model.command import PostedComment, RecordedCommand
from bot.model.delivery import CommandPosted, Delivery, PullRequestHint
from bot.model.person import Person
from bot.model.promotion import PromotionState
from bot.model.repository import Repository
from bot.model.role import Role
from bot.promotions.view_reader import StageViewReader
from tests.stores import ManualClock, new_store
from tests.unit.promotions.simulation import PIPELINE, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP

MOST = 15
"""Maximum, including the reconcile of the stage's environment, its snapshot, claims and finishes."""
TEXT = "/promote integration"
COMMENT = 42


@dataclass
class Comments:
    """One comment, and the role of its author."""

    clock: ManualClock

    async def comment(self, repository: Repository, comment_id: int) -> PostedComment | None:
        return PostedComment(TEXT, "bea", False, self.clock(), 7)

    async def acknowledge(self, repository: Repository, comment_id: int, fence: Fence) -> None:
        await fence()

    async def answer(
        self,
        command: RecordedCommand,
        outcome: Outcome,
        account: StatusAnswer | None,
        fence: Fence,
        save: SaveAnswer,
    ) -> None:
        raise AssertionError("a promotion that starts has a comment of its own")

    async def role(self, repository: Repository, login: str) -> Role:
        return Role.WRITE

    async def role_of(self, repository: Repository, person: Person) -> Role:
        return Role.WRITE


def command_handler(simulation: PromotionSimulation) -> CommandHandler:
    store, clock, comments = simulation.store, simulation.clock, Comments(simulation.clock)
    views = StageViewReader(
        store.promotions,
        store.environments,
        store.releases,
        store.audit,
        simulation.github,
        store.drifts,
        clock,
    )
    ports = CommandPorts(
        store.commands,
        store.environments,
        comments,
        simulation.github,
        comments,
        StageCommands(simulation.service),
        StatusQuery(store.environments, store.journal, store.queue, views, clock),
        clock,
        refusal_note,
    )
    return CommandHandler(ports, timedelta(days=14))


async def promote(simulation: PromotionSimulation) -> Counter[str]:
    """Transactions by method."""
    simulation.handlers = {**simulation.handlers, "command": command_handler(simulation)}
    store = simulation.store
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 7, "a" * 40, True)])
    await simulation.work(20)
    command = CommandPosted(SHOP, 7, COMMENT, digest(TEXT))
    simulation.clock.advance(5)
    await store.deliveries.record(
        Delivery("1", "issue_comment", "created", simulation.clock(), SHOP), [command]
    )
    before = store.transactions.copy()
    for _ in range(40):
        await simulation.work(1)
        simulation.clock.advance(1)
        promotions = await store.promotions.find(SHOP.id)
        if promotions and promotions[0].state is PromotionState.SUCCEEDED:
            break
    else:
        raise AssertionError(promotions)
    return store.transactions - before


async def test_promote_of_a_known_release_limits_transactions(clock: ManualClock, tmp_path: Path) -> None:
    store = await new_store(tmp_path / "greenroom.db", clock)
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.configure(PIPELINE.partition("  security:")[0])
    with capture_logs() as lines:
        counts = await promote(simulation)
    changes = [line["action"] for line in lines if line["event"] == "stage changed"]
    assert (changes[0], changes[-1]) == ("requested", "succeeded"), changes
    del counts["SqlPromotionStore.find"]  # the test's own
    assert counts.total() <= MOST, counts
    await store.close()
