"""What the store does about a namespace: the record against the namespace's annotations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from bot.environments.adoption import Adopter, Adoption, decide
from bot.model.environment import EnvironmentKey, UserOverrides
from bot.model.manifest import OwnedNamespace
from bot.model.promotion import StageRecord
from bot.model.repository import Repository
from bot.model.snapshot import Snapshot, StoreVersion
from bot.model.work import WorkKey

SHOP = Repository(1, 99, "acme", "shop")
PREVIEW, STAGING = EnvironmentKey.preview(1, 7), EnvironmentKey.stage(1, "staging")


def of_preview(generation: int = 0, **changes: object) -> OwnedNamespace:
    namespace = OwnedNamespace("gr-acme-shop-pr-7", PREVIEW, SHOP, False, generation, "written")
    return replace(namespace, **changes)  # type: ignore[arg-type]


def of_stage(generation: int = 0, **changes: object) -> OwnedNamespace:
    return replace(of_preview(generation, **changes), name="gr-acme-shop-staging", environment=STAGING)


def overrides(generation: int) -> Snapshot:
    return Snapshot(generation, UserOverrides(allowed_commit="a" * 40, allowed_by="ada"))


def stage(generation: int, revision: int) -> Snapshot:
    return Snapshot(generation, stage=StageRecord(STAGING, SHOP, revision=revision))


def at(generation: int, revision: int = 0) -> StoreVersion:
    return StoreVersion(generation, revision)


CONTINUE, ADOPT, IGNORE = Adoption.CONTINUE, Adoption.ADOPT, Adoption.IGNORE


@pytest.mark.parametrize(
    ("namespace", "snapshot", "stored", "expected"),
    [
        (of_preview(12), overrides(12), None, ADOPT),  # the store was lost
        (of_preview(12), None, None, ADOPT),  # so was it, and an earlier version prepared the namespace
        (of_preview(12), overrides(12), at(1), ADOPT),  # a delivery made a record before
        (of_preview(12), overrides(12), at(9), ADOPT),  # an older backup
        (of_preview(12), overrides(14), at(13), ADOPT),  # a command after the last preparation
        (of_preview(12), overrides(12), at(12), CONTINUE),
        (of_preview(12), overrides(12), at(15), CONTINUE),  # pushes that were not prepared yet
        (of_preview(12, terminating=True), overrides(12), None, IGNORE),
        (of_preview(12, has_app=False), overrides(12), None, IGNORE),  # perhaps of another App
        (of_preview(12, has_app=False), overrides(12), at(1), IGNORE),
        (of_stage(4), stage(4, 30), None, ADOPT),
        (of_stage(4), None, None, IGNORE),  # the release that runs there is unknown
        (of_stage(4), stage(4, 30), at(4, 30), CONTINUE),
        (of_stage(4), stage(4, 30), at(4, 29), ADOPT),  # a hold after the backup
        (of_stage(4), stage(4, 30), at(3, 20), ADOPT),
        (of_stage(4), stage(4, 30), at(5, 31), CONTINUE),
        (of_stage(4), None, at(3, 20), ADOPT),
        (of_stage(4, terminating=True), stage(4, 30), None, IGNORE),
    ],
)
def test_decision(
    namespace: OwnedNamespace, snapshot: Snapshot | None, stored: StoreVersion | None, expected: Adoption
) -> None:
    assert decide(namespace, snapshot, stored) is expected


@dataclass
class Records:
    """A store that notes what it is asked to do."""

    namespaces: Sequence[OwnedNamespace]
    snapshots: Mapping[str, Snapshot]
    stored: Mapping[EnvironmentKey, StoreVersion] = field(default_factory=dict)
    done: list[object] = field(default_factory=list)

    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        return self.namespaces

    async def versions(self, keys: Collection[EnvironmentKey]) -> Mapping[EnvironmentKey, StoreVersion]:
        return {key: version for key, version in self.stored.items() if key in keys}

    async def adopt(self, namespace: OwnedNamespace, snapshot: Snapshot | None) -> None:
        self.done.append(namespace.name)

    async def restore(self, snapshot: Snapshot) -> None:
        self.done.append(snapshot)

    async def enqueue(self, keys: Sequence[WorkKey]) -> None:
        self.done += keys

    async def run(self, *, without_record: bool = True) -> list[object]:
        read = self.snapshots
        adopter = Adopter(self, self, self, self, lambda namespace: read.get(namespace.name))
        await adopter.adopt(self.namespaces, without_record=without_record)
        return self.done


async def test_newest_namespace_of_an_environment_is_adopted() -> None:
    """The repository was renamed; the sweep of orphans deletes the older one."""
    older = of_preview(3, name="gr-acme-old-pr-7")
    assert await Records([of_preview(12), older], {}).run() == ["gr-acme-shop-pr-7"]


async def test_stage_is_restored_before_its_environment() -> None:
    snapshot = stage(4, 30)
    records = Records([of_stage(4)], {"gr-acme-shop-staging": snapshot}, {STAGING: at(3, 20)})
    assert await records.run() == [snapshot, "gr-acme-shop-staging"]


async def test_stage_whose_record_is_newer_keeps_it() -> None:
    records = Records([of_stage(4)], {"gr-acme-shop-staging": stage(4, 30)}, {STAGING: at(3, 31)})
    assert await records.run() == ["gr-acme-shop-staging"]


async def test_sweep_leaves_namespaces_without_a_record_to_the_sweep_of_orphans() -> None:
    assert await Records([of_preview(12)], {}).run(without_record=False) == []


async def test_namespaces_of_earlier_versions_get_a_snapshot() -> None:
    records = Records([of_preview(12, snapshot="")], {}, {PREVIEW: at(12)})
    assert await records.run() == [WorkKey.snapshot(PREVIEW)]
