"""What `/status` and `/why` tell, as it is when they are answered."""

from __future__ import annotations

from dataclasses import dataclass

from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.ports import Environments, Journal, Queue
from bot.commands.table import Verb
from bot.environments.ports import Clock
from bot.environments.views import EnvironmentView, environment_view
from bot.model.command import RecordedCommand
from bot.model.environment import Environment, EnvironmentKey
from bot.model.work import WorkKey
from bot.promotions.view_reader import ViewReader


@dataclass(frozen=True, slots=True)
class StatusQuery:
    environments: Environments
    journal: Journal
    queue: Queue
    storyteller: ViewReader
    clock: Clock

    async def account(self, heard: RecordedCommand, outcome: Outcome) -> StatusAnswer | None:
        """None where the answer needs none."""
        if outcome.result is not Result.TOLD or outcome.verb is Verb.HELP:
            return None
        environment = await self.environments.get(EnvironmentKey.preview(heard.repository.id, heard.number))
        commits = [outcome.head] if outcome.head is not None else []
        pull = environment.attempt.pull_request if environment is not None else None
        if pull is not None and pull.merged and pull.merge_commit is not None:
            commits.append(pull.merge_commit)
        teller, repository = self.storyteller, heard.repository
        return StatusAnswer(
            number=heard.number,
            preview=await self._preview(environment) if environment is not None else None,
            pipeline=await teller.pipeline(repository, commits),
            stage=await teller.stage(repository, outcome.stage) if outcome.stage else None,
        )

    async def _preview(self, environment: Environment) -> EnvironmentView:
        decisions = await self.journal.decisions(environment.key)
        scheduled = await self.queue.look(WorkKey.environment(environment.key))
        return environment_view(environment, decisions, scheduled, self.clock())
