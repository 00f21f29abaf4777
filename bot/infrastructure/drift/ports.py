"""Protocols of what drift detection uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from bot.environments.ports import Fence
from bot.infrastructure.drift.fields import Path
from bot.infrastructure.drift.inventory import DryRun, Live, ObjectName
from bot.model.drift import DriftRecord, DriftState
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Bundle, Manifest
from bot.model.repository import Repository
from bot.model.size import Size
from bot.model.work import Claim


class LiveObjects(Protocol):
    """The objects of a namespace. Calls raise Unavailable when the API server does not answer."""

    @property
    def manager(self) -> str:
        """The field manager of our writes."""

    @property
    def revision(self) -> str:
        """The annotation of pods that identifies their template."""

    def kept(self, bundle: Bundle) -> Collection[ObjectName]:
        """Objects of ours besides those of the bundle, which each run of the deployment writes."""

    async def guard_rails(
        self, name: str, environment: EnvironmentKey, repository: Repository, size: Size, *, fork: bool
    ) -> Sequence[Manifest]:
        """The namespace and its guard rails, as they are applied."""

    async def read(self, namespace: str, declared: Sequence[Manifest]) -> Live:
        """All objects of the kinds that environments may contain, one call per kind, and what runs."""

    async def dry_run(self, manifest: Manifest) -> DryRun:
        """The object as the API server would store it after the write."""

    async def defaulted(self, manifest: Manifest) -> Manifest | None:
        """The object as the API server would create it under another name; None if it refuses."""

    async def injected(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
    ) -> Manifest:
        """The Secret with the environment's variables."""

    async def restore(
        self, manifest: Manifest, live: Manifest | None, undeclared: Sequence[Path], fence: Fence
    ) -> None:
        """Applies a declared object again, and removes undeclared fields from the live one.

        Raises Rejected when the API server refuses.
        """


class DriftStore(Protocol):
    async def get(self, key: EnvironmentKey) -> DriftRecord | None: ...

    async def save(self, claim: Claim, record: DriftRecord) -> None:
        """Raises Superseded unless the claim is held."""

    async def find(self, repository_id: int | None = None) -> Sequence[DriftRecord]:
        """The records of all stages and demos, by key."""

    async def delete(self, claim: Claim, key: EnvironmentKey) -> None: ...


SaveDrift = Callable[[DriftRecord], Awaitable[None]]
"""Stores the record; raises Superseded unless the claim is held."""


class DriftReporter(Protocol):
    async def report_drift(self, record: DriftRecord, fence: Fence, save: SaveDrift) -> None:
        """Brings the stage's issue in line with the record; writes nothing if it is up to date.

        A refusal of GitHub is saved as the record's problem. Raises Unavailable when GitHub does not answer.
        """


class DriftTelemetry(Protocol):
    def drift_checked(self, state: DriftState) -> None: ...

    def resources_compared(self, state: DriftState) -> None:
        """A plan of a stage's infrastructure ended."""

    def drift_healed(self, objects: int, *, succeeded: bool) -> None: ...
