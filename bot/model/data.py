"""What was done to an environment's data. It is kept in the namespace, where it outlives the store."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.model.manifest import Wave


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A Job that changes data: which one was begun last, and whether it came to its end."""

    content: str = ""
    """The name that the Job has by its content; "" before the first one and after a reset."""
    run: int = 0
    """How many were begun. Part of the Job's name, so that the same content can run again."""
    done: bool = False

    def started(self, content: str) -> JobRecord:
        return JobRecord(content, self.run + 1)

    def reset(self) -> JobRecord:
        """After a reset: nothing was done to the new data."""
        return JobRecord(run=self.run)

    @property
    def name(self) -> str:
        return f"{self.content}-{self.run}"


@dataclass(frozen=True, slots=True)
class DataRecord:
    reseeds: int
    """How many of the wishes to seed anew these data fulfil."""
    commit: str
    """The commit for which these data were begun."""
    resetting: bool = False
    """Everything that keeps data is being deleted; nothing is made again before it is gone."""
    migrations: JobRecord = JobRecord()
    seed: JobRecord = JobRecord()

    def job(self, wave: Wave) -> JobRecord:
        return self.migrations if wave is Wave.MIGRATIONS else self.seed

    def with_job(self, wave: Wave, job: JobRecord) -> DataRecord:
        return replace(self, migrations=job) if wave is Wave.MIGRATIONS else replace(self, seed=job)

    def after_reset(self, reseeds: int, commit: str) -> DataRecord:
        return DataRecord(reseeds, commit, migrations=self.migrations.reset(), seed=self.seed.reset())
