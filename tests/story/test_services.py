"""Jobs that depend on a Service start when the Service reaches its pods."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import JOB
from tests.story.conftest import Scenario, also_on_node

pytestmark = [pytest.mark.long, also_on_node]

_CONNECT = "from shop import client; client.fetch('catalogue', '/products')"
MIGRATED = f"""data:
  migrate: {{image: shop, command: [python, -c, "{_CONNECT}"]}}
"""


@pytest.fixture
async def late(scenario: Scenario) -> AsyncIterator[Scenario]:
    """Services follow their pods about as late as on a real node."""
    delays = scenario.world.delays
    before, delays.service = delays.service, 0.7
    yield scenario
    delays.service = before


async def test_migrations_reach_a_new_database_at_once(late: Scenario) -> None:
    files = late.files("spring")
    configuration = files[".greenroom.yml"].decode().replace("data:\n", MIGRATED)
    await late.push("main", {".greenroom.yml": configuration.encode()})
    number = await late.open("spring", files)
    await late.comment_with(number, "is ready", "`migrations`")
    jobs = (await late.world.client.list(JOB, late.namespace(number))).items
    failed = {job["metadata"]["name"]: (job.get("status") or {}).get("failed", 0) for job in jobs}
    assert len(failed) == 3, "migrations, seed and check"
    assert set(failed.values()) == {0}, failed

    await late.comment(number, "/reseed")
    await late.comment_with(number, "reset and seeded again")
    await late.wait_until_ready(number)
    jobs = (await late.world.client.list(JOB, late.namespace(number))).items
    assert not any((job.get("status") or {}).get("failed") for job in jobs)
