"""Notes on a preview: limits, withheld objects and removed fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.github.messages.manifest_notes import manifest_notes
from bot.model.notes import Effect, Note
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, Harness
from tests.unit.environments.test_overrides import FORK


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
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


async def test_secrets_withheld_from_a_fork_are_noted(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "preview: {secrets: {KEY: 'env:KEY'}}\n"
    harness.pull(**FORK)
    await harness.run()
    await harness.override(allowed_commit="a" * 40, allowed_by="ada")
    assert (await harness.status()).notes == ("A fork gets no secrets, so it runs without `KEY`.",)


async def test_notes_on_manifests_are_grouped_and_counted(harness: Harness) -> None:
    harness.cluster.notes = (
        Note(Effect.LEFT_OUT, "Service/a", "environments are reached through their route", "spec.type"),
        Note(Effect.REWRITTEN, "Deployment/b", "longer times delay the deletion", "seconds", "300"),
        Note(Effect.LEFT_OUT, "Service/b", "environments are reached through their route", "spec.type"),
        Note(Effect.LEFT_OUT, "Deployment/a", "the cluster decides", "spec.template.spec.nodeSelector"),
        Note(Effect.MISSING, "Secret/shop", "the manifests do not contain it"),
    )
    for _ in range(2):
        await harness.run()
        status = await harness.status()
        assert status.notes == (
            "Missing `Secret/shop`: the manifests do not contain it.",
            "Greenroom adapted the manifests: 1 rewritten, 3 left out. The check run lists what and why.",
        )
        assert status.manifest_notes == (
            "Set `seconds` to `300` in `Deployment/b`: longer times delay the deletion.",
            "Left out `spec.type` in `Service/a`, `Service/b`: environments are reached through their route.",
            "Left out `spec.template.spec.nodeSelector` in `Deployment/a`: the cluster decides.",
        )


def test_a_note_on_what_is_kept_shows_its_value() -> None:
    note = Note(Effect.KEPT, "Deployment/b", "it is elsewhere", "data.url", "vault.security")
    assert manifest_notes([note]) == "Kept `vault.security` in `data.url` of `Deployment/b`: it is elsewhere."
