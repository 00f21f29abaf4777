"""Notes on a preview: limits, withheld objects and removed fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.manifest import FieldChange
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, Harness
from tests.unit.environments.test_overrides import FORK


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Harness(store, clock)
    await store.close()


async def test_ttl_above_the_maximum_is_capped_and_noted(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {ttl: 72h}\n"
    await harness.run()
    assert (await harness.status()).notes == ()
    harness.github.configuration = CONFIGURATION + "preview: {ttl: 30d}\n"
    for _ in range(2):
        await harness.run()
        status = await harness.status()
        assert status.notes == ("`preview.ttl` is `30d`; the operator allows at most `14d`.",)
        assert status.expires_at is not None
        assert (status.expires_at - harness.clock()).days < 15


async def test_objects_withheld_from_a_fork_are_noted(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {secrets: {KEY: 'env:KEY'}}\n"
    harness.cluster.left_out = tuple(f"ServiceAccount/a{number:02}" for number in range(12))
    harness.pull(**FORK)
    await harness.run()
    await harness.override(allowed_commit="a" * 40, allowed_by="ada")
    without_secrets, without_accounts = (await harness.status()).notes
    assert without_secrets == "A fork gets no secrets, so it runs without `KEY`."
    assert without_accounts.startswith("A fork gets no service accounts, so it runs without")
    assert without_accounts.endswith("`ServiceAccount/a09`, 2 more.")


async def test_removed_fields_are_noted_by_reason(harness: Harness) -> None:
    harness.cluster.changes = (
        FieldChange("Service/a", "spec.type", "environments are reached through their route"),
        FieldChange("Service/b", "spec.type", "environments are reached through their route"),
        FieldChange("Deployment/a", "spec.template.spec.nodeSelector", "the cluster decides"),
        FieldChange("Deployment/b", "seconds", "longer times delay the deletion", "300"),
    )
    for _ in range(2):
        await harness.run()
        assert (await harness.status()).notes == (
            "Removed `spec.type` in `Service/a`, `Service/b`: environments are reached through their route.",
            "Removed `spec.template.spec.nodeSelector` in `Deployment/a`: the cluster decides.",
            "Set `seconds` to `300` in `Deployment/b`: longer times delay the deletion.",
        )
