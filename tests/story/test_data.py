"""The data of a preview, as reviewers see it: kept by a push, reset by `/reseed`, migrated in a rehearsal."""

from __future__ import annotations

import httpx

from bot.embedded.samples.commits import SEED
from tests.story.conftest import Story

MIGRATED = b"""
data:
  migrate: {image: shop, command: [python, -c, "import sys; sys.exit(open('migration').read() or 0)"]}
"""


async def write(story: Story, number: int, note: str) -> None:
    """A reviewer writes into the shop's guest book and buys something."""
    page = await story.page(number)
    url = page.request.url.copy_with(path="/notes")
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Host": page.request.headers["Host"]}
        assert (await client.post(url, data={"text": note}, headers=headers)).status_code == 303


async def test_a_push_keeps_what_reviewers_left_and_reseed_resets_it(story: Story) -> None:
    number = await story.open("spring", story.files("spring"))
    await story.is_ready(number)
    await write(story, number, "The basil is too cheap.")
    assert "seeded once" in (await story.page(number)).text

    await story.push("spring", story.files("autumn"))
    await story.is_ready(number)
    page = (await story.page(number)).text
    assert "Amber lamp" in page
    assert "The basil is too cheap." in page
    assert "seeded 2 times" in page

    await story.say(number, "/reseed")
    await story.comment_says(number, "reset and seeded anew")
    for _ in range(2):
        await story.bot.kill()
        await story.bot.start()
    await story.is_ready(number)
    page = (await story.page(number)).text
    assert "Amber lamp" in page
    assert "The basil is too cheap." not in page
    assert "seeded once" in page


async def test_a_failing_migration_is_a_check_and_leaves_what_runs(story: Story) -> None:
    files = story.files("spring")
    plain = files[".greenroom.yml"].decode()
    start, _, rest = plain.partition("data:\n")
    migrate = MIGRATED.decode().removeprefix("\ndata:\n")
    await story.push("main", {".greenroom.yml": f"{start}data:\n{migrate}{rest}".encode()})
    dockerfile = files["Dockerfile"].replace(b"COPY seed seed", b"COPY seed seed\nCOPY migration migration")
    files |= {"Dockerfile": dockerfile, "migration": b""}
    number = await story.open("spring", files)
    await story.comment_says(number, "is ready", "`migrations`")

    broken = await story.push("spring", {"migration": b"no column colour", SEED: story.files("autumn")[SEED]})
    said = await story.comment_says(number, "failed", broken[:7])
    assert "no column colour" in said
    [run] = story.github.checks.runs(story.repository, broken, name="greenroom/migrations")
    assert run.conclusion == "failure"
    assert "no column colour" in str(run.output.text)
    page = (await story.page(number)).text
    assert "Basil" in page
    assert "Amber lamp" not in page
