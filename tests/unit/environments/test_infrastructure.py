"""Infrastructure is planned, applied as planned, read, and destroyed before anything else is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.infrastructure.module import module_files
from bot.environments.infrastructure_teardown import retry_pause
from bot.model.environment import EnvironmentState
from bot.model.errors import Rejected
from bot.model.infrastructure import RunKind
from bot.model.manifest import NamespaceState
from bot.model.plan import AppliedPlan, PinnedModule, PlanSummary
from bot.model.repository import Repository as OtherRepository
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, FakeCluster, FakeGitHub, Harness
from tests.unit.environments.terraform import FakeTerraform

PASSWORD = "correct-horse-battery"
SECTION = """
infrastructure:
  terraform: infra
  variables: {name: "pr-{number}"}
  outputs: {DATABASE_URL: database, PASSWORD: password}
"""
CONFIGURED = CONFIGURATION + SECTION
TAGGED = "e" * 40
MODULE = f"database = db.example\npassword = {PASSWORD}\n"


class Repository(FakeGitHub):
    """A GitHub whose commits have a module, each its own one."""

    def __init__(self) -> None:
        super().__init__()
        self.configuration = CONFIGURED
        self.default_module, self.pull_module = MODULE, "other = other"

    async def files(self, repository: object, commit: str, folders: object) -> dict[str, bytes]:
        module = self.default_module if commit == "d" * 40 else self.pull_module
        if commit == TAGGED:
            module = "database = tagged.example\npassword = " + PASSWORD
        return {"infra/main.tf": module.encode()}

    async def find(self, repository: object, name: str) -> OtherRepository:
        if name != "acme/modules":
            raise Rejected(f"The App is not installed in {name}.")
        return OtherRepository(99, 20, "acme", "modules")

    async def tagged(self, repository: object, tag: str) -> str:
        return TAGGED


class Environment(Harness):
    """A preview with infrastructure."""

    def __init__(self, path: object, clock: ManualClock, terraform: FakeTerraform) -> None:
        self.repository = Repository()
        self.terraform = terraform
        super().__init__(
            path,  # type: ignore[arg-type]  # a store
            clock,
            FakeCluster(),
            self.repository,
            terraform,
            modules=self.repository,
        )

    async def settle(self) -> None:
        """Runs until nothing is due soon."""
        await self.run()
        for _ in range(12):
            self.clock.advance(20)
            await self.again()

    async def shown(self) -> str:
        status = await self.status()
        cause = f"{status.cause.summary} {status.cause.detail}" if status.cause else ""
        return " ".join([str(status.state), cause, *status.notes])


@pytest.fixture
async def environment(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Environment]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    terraform = FakeTerraform()
    terraform.sensitive = {"password"}
    yield Environment(store, clock, terraform)
    await store.close()


async def test_plan_is_applied_and_outputs_are_injected(environment: Environment) -> None:
    await environment.settle()
    assert environment.terraform.runs == ["greenroom-plan-1", "greenroom-apply-2"]
    assert (
        "2 to add, 0 to change, 0 to destroy; it creates `database`, `password`." in await environment.shown()
    )
    assert environment.cluster.injected[-1] == {"DATABASE_URL": "db.example", "PASSWORD": PASSWORD}
    assert environment.terraform.request is not None
    assert environment.terraform.request.variables == {"name": "pr-3"}
    assert environment.terraform.kept is None
    texts = str(await environment.journal()) + str(environment.github.reported)
    assert PASSWORD not in texts


async def test_preview_runs_the_pull_requests_module_only_where_it_is_allowed(
    environment: Environment,
) -> None:
    environment.repository.pull_module = MODULE + "extra = extra"
    await environment.settle()
    assert "extra" not in environment.terraform.resources
    environment.terraform.own_module = True
    await environment.override(refreshes=1)
    await environment.settle()
    assert "extra" in environment.terraform.resources


async def test_module_of_another_repository_runs_at_its_tag(environment: Environment) -> None:
    source = "{repository: acme/modules, ref: v1, path: infra}"
    environment.repository.configuration = CONFIGURED.replace("terraform: infra", f"terraform: {source}")
    await environment.settle()
    assert environment.terraform.resources["database"] == "tagged.example"
    stored = await environment.store.environments.get(environment.key)
    assert stored is not None
    pinned = PinnedModule("acme/modules", "v1", TAGGED)
    assert stored.attempt.module == pinned
    summary = PlanSummary(created=("database", "password"))
    assert stored.attempt.applied_plan == AppliedPlan(summary, pinned)
    environment.repository.configuration = environment.repository.configuration.replace("acme/", "other/")
    environment.pull(head_sha="b" * 40)
    await environment.settle()
    shown = await environment.shown()
    assert shown.startswith("failed")
    assert "not installed in other/modules" in shown


async def test_equal_inputs_are_not_planned_again(environment: Environment) -> None:
    await environment.settle()
    environment.pull(head_sha="b" * 40)
    await environment.settle()
    assert environment.terraform.runs == ["greenroom-plan-1", "greenroom-apply-2"]
    environment.repository.default_module = MODULE.replace("db.example", "db2.example")
    environment.pull(head_sha="c" * 40)
    await environment.settle()
    assert environment.terraform.runs[2:] == ["greenroom-plan-3", "greenroom-apply-4"]
    assert environment.cluster.injected[-1]["DATABASE_URL"] == "db2.example"


async def test_failed_apply_is_shown_without_secrets_and_repeated_by_refresh(
    environment: Environment,
) -> None:
    await environment.settle()
    environment.terraform.failing = {RunKind.APPLY}
    environment.repository.default_module = MODULE + "queue = queue"
    environment.pull(head_sha="b" * 40)
    await environment.settle()
    shown = await environment.shown()
    assert "failed" in shown
    assert "it cannot apply" in shown
    assert PASSWORD not in shown
    assert environment.terraform.runs[-1] == "greenroom-apply-4"
    environment.terraform.failing = set()
    await environment.override(refreshes=1)
    await environment.settle()
    assert environment.terraform.runs[-2:] == ["greenroom-plan-5", "greenroom-apply-6"]
    assert (await environment.status()).state is EnvironmentState.READY


@pytest.mark.parametrize("policy", ["approve", "refuse"])
async def test_plan_that_destroys_waits_or_is_refused(environment: Environment, policy: str) -> None:
    environment.repository.configuration = CONFIGURED + f"  destroy: {policy}\n"
    environment.repository.default_module = MODULE + "queue = queue"
    await environment.settle()
    environment.repository.default_module = MODULE
    environment.pull(head_sha="b" * 40)
    await environment.settle()
    assert "queue" in environment.terraform.resources
    shown = await environment.shown()
    assert "destroys or replaces `queue`" in shown
    if policy == "refuse":
        assert shown.startswith("failed")
        return
    assert environment.terraform.kept is not None
    await environment.override(approved_plan="0" * 12)
    await environment.settle()
    assert "queue" in environment.terraform.resources
    await environment.override(approved_plan=environment.terraform.kept.digest[:12])
    await environment.settle()
    assert "queue" not in environment.terraform.resources
    assert (await environment.status()).state is EnvironmentState.READY


async def test_fork_runs_nothing(environment: Environment) -> None:
    head = environment.github.pull
    assert head is not None
    environment.pull(head_repository_id=99, head_owner="mallory")
    await environment.run()
    await environment.override(allowed_commit=head.head_sha, allowed_by="ada")
    await environment.settle()
    assert environment.terraform.runs == []
    assert not environment.terraform.exists
    assert "Terraform never runs for a fork" in await environment.shown()


async def test_without_an_image_the_environment_is_refused(environment: Environment) -> None:
    environment.terraform.image = ""
    await environment.settle()
    assert "GREENROOM_TERRAFORM_IMAGE" in await environment.shown()
    assert environment.terraform.runs == []


async def test_missing_and_short_outputs_are_named(environment: Environment) -> None:
    environment.repository.default_module = "password = short"
    await environment.settle()
    shown = await environment.shown()
    assert "has no output `database`" in shown
    assert "for `PASSWORD` is too short" in shown


async def test_destroy_comes_first(environment: Environment) -> None:
    await environment.settle()
    environment.terraform.running = True
    environment.pull(open=False)
    await environment.settle()
    assert environment.cluster.state is NamespaceState.OURS
    assert environment.terraform.runs[-1] == "greenroom-destroy-3"
    environment.terraform.running = False
    await environment.settle()
    assert environment.terraform.resources == {}
    assert not environment.terraform.exists


async def test_failed_destroy_keeps_everything_until_it_succeeds_or_is_abandoned(
    environment: Environment, clock: ManualClock
) -> None:
    await environment.settle()
    environment.terraform.failing = {RunKind.DESTROY}
    environment.pull(open=False)
    await environment.settle()
    assert environment.terraform.exists
    assert environment.cluster.state is NamespaceState.OURS
    shown = await environment.shown()
    assert "failed to destroy the infrastructure" in shown
    assert "greenroom env abandon" in shown
    assert PASSWORD not in shown
    clock.advance(7200)
    await environment.settle()
    assert len([run for run in environment.terraform.runs if "destroy" in run]) >= 2
    await environment.override(abandoned_at=clock())
    await environment.settle()
    assert not environment.terraform.exists
    assert environment.terraform.resources, "what it created remains"


def test_pauses_between_destroys_grow() -> None:
    pauses = [retry_pause(failures) for failures in range(1, 20)]
    assert pauses[0] == timedelta(minutes=1)
    assert pauses[-1] == timedelta(hours=1)
    assert pauses == sorted(pauses)


def test_module_must_be_usable() -> None:
    files = {"infra/main.tf": b"x", "infra/modules/a/main.tf": b"y", "other/main.tf": b"z"}
    assert list(module_files(files, "infra")) == ["main.tf", "modules/a/main.tf"]
    with pytest.raises(Rejected, match=r"no file that ends with \.tf"):
        module_files(files, "absent")
    with pytest.raises(Rejected, match=r"backend_override\.tf .* override file"):
        module_files({**files, "infra/backend_override.tf": b""}, "infra")
    with pytest.raises(Rejected, match="900001 bytes"):
        module_files({"main.tf": b"a" * 900_001}, "")
