"""A small Terraform: a module is lines of `NAME = VALUE`, each a resource and an output of that name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from bot.environments.ports import Fence
from bot.model.drift import DriftKind, Finding
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.infrastructure import (
    DRIFT_SLOT,
    InfrastructureRecord,
    InfrastructureRequest,
    InfrastructureView,
    Output,
    Run,
    RunKind,
    TerraformState,
)
from bot.model.manifest import Condition, NamespaceState, ObjectState
from bot.model.plan import PlanSummary, SavedPlan
from bot.model.repository import Repository


class FakeTerraform:
    """Plans what differs between module and resources, and applies what was planned."""

    image = "registry.example/tofu:1"

    def __init__(self) -> None:
        self.resources: dict[str, str] = {}
        self.sensitive: set[str] = set()
        self.failing: set[RunKind] = set()
        self.running = False
        """Whether Jobs go on."""
        self.slow: set[RunKind] = set()
        """Kinds whose Jobs go on."""
        self.exists = False
        self.unreachable = False
        """Whether the cluster deletes nothing, because it does not respond."""
        self.runs: list[str] = []
        self.locked = False
        """Whether someone else holds the lock of the state."""
        self._differences: list[Finding] | None = None
        """What the last comparison found."""
        self.own_module = False
        self._modules: dict[str, dict[str, str]] = {}
        """Modules by promotion, "" for the environment; the same holds for plans and records."""
        self._planned: Mapping[str, str] | None = None
        self._saved: dict[str, SavedPlan] = {}
        self.kept: SavedPlan | None = None
        self._records: dict[str, InfrastructureRecord] = {}
        self._finished: set[str] = set()
        self._failed: set[str] = set()
        self.request: InfrastructureRequest | None = None

    def runs_pull_request_module(self, repository: Repository) -> bool:
        return self.own_module

    @property
    def promotions(self) -> set[str]:
        """Promotions of which something is left."""
        return {*self._modules, *self._saved, *self._records} - {""}

    async def observe(
        self, namespace: str, environment: EnvironmentKey, promotion: str = ""
    ) -> InfrastructureView:
        if not self.exists:
            return InfrastructureView(NamespaceState.ABSENT)
        outputs = {name: Output(value, name in self.sensitive) for name, value in self.resources.items()}
        applied = any(not run.endswith(tuple(self._records.keys() - {""})) for run in self.runs)
        state = TerraformState(len(self.resources), outputs) if applied else None
        concealed = [value for name, value in self.resources.items() if name in self.sensitive]
        record = self._records.get(promotion, InfrastructureRecord())
        return InfrastructureView(NamespaceState.OURS, record, state, concealed)

    async def prepare(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        request: InfrastructureRequest,
        fence: Fence,
        promotion: str = "",
    ) -> None:
        await fence()
        self.exists, self.request = True, request
        lines = request.files["main.tf"].decode().splitlines()
        self._modules[promotion] = {
            name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)
        }

    async def start(
        self, namespace: str, environment: EnvironmentKey, repository: Repository, run: Run, fence: Fence
    ) -> None:
        if run.name not in self.runs:
            if run.kind is RunKind.COMPARE and self.locked:
                raise Unavailable("The Terraform state is locked.")
            await fence()
            self.runs.append(run.name)

    async def look(self, namespace: str, environment: EnvironmentKey, run: Run) -> ObjectState:
        assert run.name in self.runs
        if self.running or run.kind in self.slow:
            return ObjectState("Job", run.name, Condition.PROGRESSING, "it is running")
        if run.name not in self._finished and run.kind in self.failing:
            self._failed.add(run.name)  # a Job that failed stays so
        if run.name in self._failed:
            quoted = f"Error: it cannot {run.kind}: {' '.join(self.resources.values())}"
            return ObjectState("Job", run.name, Condition.FAILED, "it exited with 1", quoted)
        if run.name not in self._finished:
            self._finished.add(run.name)
            self._execute(run)
        return ObjectState("Job", run.name, Condition.READY)

    def _execute(self, run: Run) -> None:
        kind = run.kind
        if kind is RunKind.PLAN:
            before, after = self.resources, self._modules[run.promotion]
            summary = PlanSummary(
                created=tuple(sorted(after.keys() - before.keys())),
                updated=tuple(
                    sorted(name for name in after.keys() & before.keys() if after[name] != before[name])
                ),
                destroyed=tuple(sorted(before.keys() - after.keys())),
            )
            content = repr((sorted(after.items()), summary)).encode()
            if not run.promotion:
                self._planned = dict(after)
            self._saved[run.promotion] = SavedPlan(content, "", hashlib.sha256(content).hexdigest(), summary)
        elif kind is RunKind.COMPARE:
            before, after = self.resources, self._modules[""]
            self._differences = [
                *(Finding(DriftKind.REMOVED, name, resource=True) for name in after.keys() - before.keys()),
                *(
                    Finding(DriftKind.CHANGED, name, "value", resource=True)
                    for name in after.keys() & before.keys()
                    if after[name] != before[name]
                ),
            ]
        elif kind is RunKind.APPLY:
            assert self.kept is not None, "only a kept plan is applied"
            assert self._planned is not None
            self.resources = dict(self._planned)
        else:
            self.resources = {}

    async def saved_plan(self, namespace: str, promotion: str = "") -> SavedPlan:
        if promotion not in self._saved:
            raise Rejected("The run has saved no plan.")
        return self._saved[promotion]

    async def differences(self, namespace: str) -> Sequence[Finding]:
        if self._differences is None:
            raise Rejected("The run has saved no plan.")
        return self._differences

    async def keep_plan(
        self, namespace: str, environment: EnvironmentKey, plan: SavedPlan, fence: Fence
    ) -> None:
        await fence()
        self.kept = plan
        del self._saved[""]

    async def discard_plan(self, namespace: str, fence: Fence, promotion: str = "") -> None:
        await fence()
        self._saved.pop(promotion, None)
        if not promotion:
            self.kept = None

    async def discard_promotion(
        self, namespace: str, environment: EnvironmentKey, promotion: str, fence: Fence
    ) -> None:
        await fence()
        if promotion == DRIFT_SLOT:
            self._differences = None
        for kept in (self._modules, self._saved, self._records):
            kept.pop(promotion, None)

    async def record(
        self, namespace: str, environment: EnvironmentKey, record: InfrastructureRecord, fence: Fence
    ) -> None:
        await fence()
        self._records[record.run.promotion] = record

    async def delete(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        if self.unreachable:
            raise Unavailable("The cluster's API server does not respond.")
        await fence()
        self.exists = False
        self._records, self._modules, self._saved = {}, {}, {}
