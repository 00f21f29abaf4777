"""The data of a preview: kept by a push, reset by `/reseed`, migrated."""

from __future__ import annotations

import httpx

from bot.embedded.samples import SEED
from tests.story.conftest import Scenario, real_only

pytestmark = real_only

MIGRATED = b"""
data:
  migrate: {image: shop, command: [python, -c, "import sys; sys.exit(open('migration').read() or 0)"]}
"""


async def write(scenario: Scenario, number: int, note: str) -> None:
    """Adds an entry to the shop's guest book and buys a product."""
    page = await scenario.page(number)
    url = page.request.url.copy_with(path="/notes")
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Host": page.request.headers["Host"]}
        assert (await client.post(url, data={"text": note}, headers=headers)).status_code == 303


async def test_push_keeps_data_and_reseed_resets_it(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    await write(scenario, number, "The basil is too cheap.")
    assert "seeded once" in (await scenario.page(number)).text

    await scenario.push("spring", scenario.files("autumn"))
    await scenario.wait_until_ready(number)
    page = (await scenario.page(number)).text
    assert "Amber lamp" in page
    assert "The basil is too cheap." in page
    assert "seeded 2 times" in page

    await scenario.comment(number, "/reseed")
    await scenario.comment_with(number, "reset and seeded again")
    for _ in range(2):
        await scenario.bot.kill()
        await scenario.bot.start()
    await scenario.wait_until_ready(number)
    page = (await scenario.page(number)).text
    assert "Amber lamp" in page
    assert "The basil is too cheap." not in page
    assert "seeded once" in page


async def test_failed_migration_keeps_the_previous_workloads(scenario: Scenario) -> None:
    files = scenario.files("spring")
    plain = files[".greenroom.yml"].decode()
    start, _, rest = plain.partition("data:\n")
    migrate = MIGRATED.decode().removeprefix("\ndata:\n")
    await scenario.push("main", {".greenroom.yml": f"{start}data:\n{migrate}{rest}".encode()})
    dockerfile = files["Dockerfile"].replace(b"COPY seed seed", b"COPY seed seed\nCOPY migration migration")
    files |= {"Dockerfile": dockerfile, "migration": b""}
    number = await scenario.open("spring", files)
    await scenario.comment_with(number, "is ready", "`migrations`")

    broken = await scenario.push(
        "spring", {"migration": b"no column colour", SEED: scenario.files("autumn")[SEED]}
    )
    comment = await scenario.comment_with(number, "failed", broken[:7])
    assert "no column colour" in comment
    [run] = scenario.github.checks.runs(scenario.repository, broken, name="greenroom/migrations")
    assert run.conclusion == "failure"
    assert "no column colour" in str(run.output.text)
    page = (await scenario.page(number)).text
    assert "Basil" in page
    assert "Amber lamp" not in page
