"""What was done to an environment's data. Stored in the namespace, so that it survives the store."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.model.hooks import HookEvent
from bot.model.manifest import Wave


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The last Job that changed data, and whether it completed."""

    content: str = ""
    """The Job's name, derived from its content; "" before the first Job and after a reset."""
    run: int = 0
    """Number of Jobs started. Part of the Job's name, so that equal content can run again."""
    done: bool = False

    def started(self, content: str) -> JobRecord:
        return JobRecord(content, self.run + 1)

    def reset(self) -> JobRecord:
        """The record after a reset: the new data is untouched."""
        return JobRecord(run=self.run)

    @property
    def name(self) -> str:
        return f"{self.content}-{self.run}"


@dataclass(frozen=True, slots=True)
class HookRecord:
    """The hooks of the chart that the last deployment ran."""

    deployment: str = ""
    """Identifies release, target and request; another one runs its hooks."""
    event: HookEvent = HookEvent.INSTALL
    done: tuple[str, ...] = ()
    """Names of the objects that completed."""
    failed: str = ""
    """Name of the object that failed."""
    problem: str = ""
    completed: bool = False
    installed: bool = False
    """Whether any deployment on these data ran all its hooks."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the objects of new data need besides themselves."""

    images: tuple[str, ...]
    """References of all images of their pods."""
    missing: tuple[str, ...]
    """ConfigMaps and Secrets that their pods refer to and that do not exist, such as `Secret db`."""


@dataclass(frozen=True, slots=True)
class DataRecord:
    reseeds: int
    """The number of reseed requests that this data fulfils."""
    commit: str
    """The commit for which this data was created."""
    resetting: bool = False
    """Everything with data is being deleted; it is created again after the deletion completes."""
    migrations: JobRecord = JobRecord()
    seed: JobRecord = JobRecord()
    hooks: HookRecord = HookRecord()

    def job(self, wave: Wave) -> JobRecord:
        return self.migrations if wave is Wave.MIGRATIONS else self.seed

    def with_job(self, wave: Wave, job: JobRecord) -> DataRecord:
        return replace(self, migrations=job) if wave is Wave.MIGRATIONS else replace(self, seed=job)

    def after_reset(self, reseeds: int, commit: str) -> DataRecord:
        return DataRecord(reseeds, commit, migrations=self.migrations.reset(), seed=self.seed.reset())
