"""Reads the data for answers to `/status`, `/why` and `/drift`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.ports import DecisionReader, EnvironmentReader, WorkReader
from bot.commands.table import Verb
from bot.environments.ports import Clock
from bot.environments.views import EnvironmentView, environment_view
from bot.model.command import RecordedCommand
from bot.model.environment import Environment, EnvironmentKey
from bot.model.work import WorkKey
from bot.promotions.view_reader import StageViewReader


@dataclass(frozen=True, slots=True)
class StatusQuery:
    environments: EnvironmentReader
    journal: DecisionReader
    queue: WorkReader
    view_reader: StageViewReader
    clock: Clock

    async def answer(self, command: RecordedCommand, outcome: Outcome) -> StatusAnswer | None:
        """None where the answer needs no data."""
        if outcome.result is not Result.REPORTED or outcome.verb is Verb.HELP:
            return None
        environment = await self.environments.get(
            EnvironmentKey.preview(command.repository.id, command.number)
        )
        commits = [outcome.head] if outcome.head is not None else []
        pull = environment.attempt.pull_request if environment is not None else None
        if pull is not None and pull.merged and pull.merge_commit is not None:
            commits.append(pull.merge_commit)
        reader, repository = self.view_reader, command.repository
        stage = await reader.stage(repository, outcome.stage) if outcome.stage else None
        if stage is not None and outcome.verb is Verb.DRIFT:
            await self.queue.enqueue([WorkKey.drift(stage.key)])
        return StatusAnswer(
            number=command.number,
            preview=await self._preview(environment) if environment is not None else None,
            pipeline=await reader.pipeline(repository, commits),
            stage=stage,
        )

    async def _preview(self, environment: Environment) -> EnvironmentView:
        decisions = await self.journal.decisions(environment.key)
        scheduled = await self.queue.look(WorkKey.environment(environment.key))
        return environment_view(environment, decisions, scheduled, self.clock())
