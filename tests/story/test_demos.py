"""Demos: they show one release with their own data until a person moves them, whatever pull requests do."""

from __future__ import annotations

import httpx
import pytest

from bot.config.configuration import CONFIG_FILE
from bot.model.promotion import PromotionState as State
from tests.story.conftest import Story
from tests.story.stages import Stages, staged

STAGES = "\nstages:\n  integration: {}\n"


def demo(release: str, besides: str = "") -> str:
    return f"{STAGES}demo:\n  sales: {{release: {release}{besides}}}\n"


async def change(stages: Stages, configuration: str) -> dict[str, bytes]:
    """The files of a commit that changes nothing but the demo in the configuration."""
    files = await stages.files("Hello.")
    plain = files[CONFIG_FILE].decode().partition(STAGES)[0]
    return {CONFIG_FILE: f"{plain}{configuration}".encode()}


async def test_a_tag_in_the_file_pins_it_and_a_merged_change_of_the_file_moves_it(small: Story) -> None:
    async with staged(small, STAGES) as stages:
        first = await stages.tag("v1", message="The first")
        await small.push("main", await change(stages, demo("v1")))
        await stages.verified("sales", first)
        assert (await stages.page("sales")).text == "Hello."
        await stages.deployed("sales", "success")
        [move] = await stages.promotions("sales")
        assert (move.requested_by, move.number) == ("ada", None)

        feature = await small.open("feature", await stages.files("Autumn."))
        await small.is_ready(feature)
        await small.push("feature", await stages.files("Late autumn."))
        await small.is_ready(feature)
        merge = await stages.merge(feature, "squash")
        seen = await stages.preview_digests(feature)
        await small.close(await small.open("closed", await stages.files("Never.")))
        await stages.tag("v2", at=merge)
        await small.delivered()
        assert (await stages.page("sales")).text == "Hello."
        assert len(await stages.promotions("sales")) == 1

        moving = await small.open("move", await change(stages, demo("v2")))
        await small.is_ready(moving)
        await stages.say(moving, "/promote sales v2", by="bea")
        line = (await change(stages, demo("v1")))[CONFIG_FILE].decode().splitlines()
        number = next(n for n, text in enumerate(line, 1) if "release: v1" in text)
        await stages.told(moving, "⛔", f"sales is pinned to v1 in .greenroom.yml, line {number}")
        await stages.merge(moving, "merge")
        said = await stages.told(moving, "✅ Release", "**sales**", "pins sales to v2")
        assert all(digest in said for digest in seen), "what reviewers saw, not a build of its own"
        assert await stages.digests("sales") == seen
        assert (await stages.page("sales")).text == "Late autumn."
        asked = [(entry.who, entry.why) for entry in await stages.audit("sales") if entry.what == "requested"]
        assert [who for who, _ in asked] == ["ada", "ada"]
        assert all(".greenroom.yml of " in why for _, why in asked)


@pytest.mark.fault
async def test_people_move_it_by_command_and_its_data_stays(story: Story) -> None:
    async with staged(story, "") as stages:
        plain = story.files()
        pinless = plain[CONFIG_FILE] + b"\ndemo:\n  training: {}\n"
        await story.push("main", {**plain, CONFIG_FILE: pinless})
        one = await story.open("one", story.files("spring"))
        await story.is_ready(one)
        await stages.say(one, "/promote training", by="dora")
        await stages.told(one, "🚫", "needs the role `write`")
        await stages.say(one, "/promote training", by="bea")
        await stages.told(one, "✅ Release", "**training**")
        page = await stages.page("training")
        assert "seeded once" in page.text
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = page.request.url.copy_with(path="/notes"), {"Host": page.request.headers["Host"]}
            written = await client.post(url, data={"text": "Shown to Umbrella."}, headers=headers)
            assert written.status_code == 303

        two = await story.open("two", story.files("autumn"))
        await story.is_ready(two)
        await stages.say(two, "/promote training")
        await stages.told(two, "✅ Release", "**training**")
        told = (await stages.page("training")).text
        assert "Shown to Umbrella." in told
        assert "seeded once" in told
        await stages.say(two, "/rollback training", by="bea")
        await stages.told(two, "↩️", "took **training** back")
        assert "Shown to Umbrella." in (await stages.page("training")).text

        await story.close(one)
        await story.close(two)
        await stages.story.comment_says(one, "The preview is gone")
        assert (await stages.page("training")).status_code == 200


@pytest.mark.fault
async def test_an_operator_sees_and_moves_demos_too(small: Story) -> None:
    async with staged(small, f"{STAGES}demo:\n  sales: {{}}\n") as stages:
        number = await small.open("one", await stages.files("One."))
        await small.is_ready(number)
        code, told = await stages.greenroom("promote", small.repository, "sales", "--pull", str(number))
        assert code == 0, told
        await stages.told(number, "✅ Release", "**sales**")
        tagged = await stages.tag("v1")
        code, told = await stages.greenroom("promote", small.repository, "sales", "--release", "v1")
        assert code == 0, told
        await stages.verified("sales", tagged)
        code, told = await stages.greenroom("stage", "show", small.repository, "sales")
        assert code == 0
        assert "A demo, which people move by command." in told
        code, told = await stages.greenroom("stage", "list", small.repository)
        assert [line.split()[1:3] for line in told.splitlines()[1:]] == [["sales", "demo"]]
        code, told = await stages.greenroom("rollback", small.repository, "sales")
        assert code == 0
        newest = (await stages.promotions("sales"))[0]
        assert newest.requested_by.endswith("@command-line")
        await stages.deployed("sales", "inactive", "inactive", "success")

        code, told = await stages.greenroom("stage", "remove", small.repository, "sales", "--yes")
        assert (code, "take it out there first" in told) == (1, True)
        await small.push("main", await change(stages, STAGES))
        code, told = await stages.greenroom("stage", "remove", small.repository, "sales", "--yes")
        assert code == 0, told
        await stages.leaves("sales")
        await stages.deployed("sales", "inactive", "inactive", "inactive")


async def test_what_cannot_be_shown_yet_is_waited_for_and_told(small: Story) -> None:
    async with staged(small, STAGES) as stages:
        head = stages.head()
        await small.push("main", await change(stages, demo("v9")))
        number = await small.open("one", small.hello("One."))
        await small.is_ready(number)
        await stages.say(number, "/status sales")
        await stages.told(number, "which cannot be followed now: There is no release and no tag v9")
        await stages.tag("v9", at=head)
        await stages.verified("sales", head)
        assert [each.state for each in await stages.promotions("sales")] == [State.SUCCEEDED]
