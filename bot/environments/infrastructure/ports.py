"""What the infrastructure of environments needs from a cluster and from GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.environments.ports import Fence
from bot.model.commit import Commit
from bot.model.drift import Finding
from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import InfrastructureRecord, InfrastructureRequest, InfrastructureView, Run
from bot.model.manifest import ObjectState
from bot.model.plan import SavedPlan
from bot.model.repository import Repository


class HeadReader(Protocol):
    async def head(self, repository: Repository) -> Commit | None:
        """The head of the default branch; None for an empty repository."""


class ModuleReader(Protocol):
    """Modules in other repositories. Calls raise Rejected with the reason, Unavailable without an answer."""

    async def find(self, repository: Repository, name: str) -> Repository:
        """The repository `OWNER/NAME`, if environments of `repository` may run its modules."""

    async def tagged(self, repository: Repository, tag: str) -> str:
        """The commit of a tag."""


class InfrastructureDriver(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses."""

    @property
    def image(self) -> str:
        """The image of the runs; "" where the operator offers no infrastructure."""

    def runs_pull_request_module(self, repository: Repository) -> bool:
        """Whether previews run the pull request's own module."""

    async def observe(
        self, namespace: str, environment: EnvironmentKey, promotion: str = ""
    ) -> InfrastructureView:
        """`promotion`: the one whose plan the record is about, in place of the environment."""

    async def prepare(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        request: InfrastructureRequest,
        fence: Fence,
        promotion: str = "",
    ) -> None:
        """Creates or updates the namespace with its guard rails, the module and its inputs.

        The plan of a promotion has its own ones.
        """

    async def start(
        self, namespace: str, environment: EnvironmentKey, repository: Repository, run: Run, fence: Fence
    ) -> None:
        """Creates the Job of a run with the operator's credentials. No-op when it exists.

        Releases a lock that is left of an ended run. Raises Unavailable while the holder may still run.
        A comparison starts only while no other run is under way, and ends when another one starts.
        """

    async def look(self, namespace: str, environment: EnvironmentKey, run: Run) -> ObjectState:
        """The state of the run's Job, with the last lines of its log when it failed."""

    async def saved_plan(self, namespace: str, promotion: str = "") -> SavedPlan:
        """What the last plan run has saved. Raises Rejected when it cannot be used."""

    async def differences(self, namespace: str) -> Sequence[Finding]:
        """What the last comparison found. Raises Rejected when it cannot be used."""

    async def keep_plan(
        self, namespace: str, environment: EnvironmentKey, plan: SavedPlan, fence: Fence
    ) -> None:
        """Keeps the plan for its apply."""

    async def discard_plan(self, namespace: str, fence: Fence, promotion: str = "") -> None: ...

    async def discard_promotion(
        self, namespace: str, environment: EnvironmentKey, promotion: str, fence: Fence
    ) -> None:
        """Deletes everything that belongs to the plan of a promotion, or to the comparison of DRIFT_SLOT."""

    async def record(
        self, namespace: str, environment: EnvironmentKey, record: InfrastructureRecord, fence: Fence
    ) -> None: ...

    async def delete(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Starts the deletion of the namespace. No-op when it is absent."""
