"""An environment is ready only while its containers run the release's images."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.environment import EnvironmentState
from bot.model.manifest import RunningContainer
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import DIGEST, PARTS, Harness

OTHER = "sha256:" + "2" * 64
SHOP = f"acme/shop@{DIGEST}"
PART = f"sha256:{hashlib.sha256(PARTS[0] + DIGEST.encode()).hexdigest()}"


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Harness(store, clock)
    await store.close()


@pytest.mark.parametrize(
    ("image", "digest", "expected", "wrong"),
    [
        (SHOP, DIGEST, SHOP, ""),
        (SHOP, PART, SHOP, ""),
        (SHOP, "", SHOP, ""),
        (SHOP, OTHER, SHOP, f"acme/shop@{OTHER}"),
        (f"mirror.example/shop@{DIGEST}", DIGEST, SHOP, ""),
        ("mirror.example/shop:1", DIGEST, SHOP, "mirror.example/shop:1"),
        (f"acme/shop@{OTHER}", OTHER, SHOP, f"acme/shop@{OTHER}"),
        ("postgres:17", OTHER, "postgres:17", ""),
        (f"acme/shop@{OTHER}", OTHER, "", ""),
    ],
)
async def test_ready_needs_the_images_of_the_release(
    harness: Harness, image: str, digest: str, expected: str, wrong: str
) -> None:
    harness.cluster.containers = [RunningContainer("shop-1", "shop", image, digest, expected)]
    await harness.run()
    status = await harness.status()
    assert (status.state is EnvironmentState.READY) is not bool(wrong)
    harness.clock.advance(timedelta(minutes=3).total_seconds())
    await harness.again()
    status = await harness.status()
    if wrong:
        assert status.state is EnvironmentState.FAILED
        assert status.cause is not None
        assert f"Container shop of pod shop-1 runs {wrong}, which is not the release" in status.cause.summary
