"""Demos: pinned by the configuration file, or moved by command."""

from __future__ import annotations

import httpx
import pytest

from bot.config.loader import CONFIG_FILE
from bot.model.promotion import PromotionState as State
from tests.story.conftest import Scenario, embedded_only
from tests.story.stages import Stages, staged

pytestmark = [pytest.mark.long, embedded_only]

STAGES = "\nstages:\n  integration: {}\n"


def demo(release: str, besides: str = "") -> str:
    return f"{STAGES}demo:\n  sales: {{release: {release}{besides}}}\n"


async def change(stages: Stages, configuration: str) -> dict[str, bytes]:
    """The files of a commit that changes only the demo's configuration."""
    files = await stages.files("Hello.")
    plain = files[CONFIG_FILE].decode().partition(STAGES)[0]
    return {CONFIG_FILE: f"{plain}{configuration}".encode()}


async def test_pinned_demo_follows_the_configuration_file(small: Scenario) -> None:
    async with staged(small, STAGES) as stages:
        first = await stages.tag("v1", message="The first")
        await small.push("main", await change(stages, demo("v1")))
        await stages.verified("sales", first)
        assert (await stages.page("sales")).text == "Hello."
        await stages.deployed("sales", "success")
        [move] = await stages.promotions("sales")
        assert (move.requested_by, move.number) == ("ada", None)

        feature = await small.open("feature", await stages.files("Autumn."))
        await small.wait_until_ready(feature)
        await small.push("feature", await stages.files("Late autumn."))
        await small.wait_until_ready(feature)
        merge = await stages.merge(feature, "squash")
        seen = await stages.preview_digests(feature)
        await small.close(await small.open("closed", await stages.files("Never.")))
        await stages.tag("v2", at=merge)
        await small.delivered()
        assert (await stages.page("sales")).text == "Hello."
        assert len(await stages.promotions("sales")) == 1

        moving = await small.open("move", await change(stages, demo("v2")))
        await small.wait_until_ready(moving)
        await stages.comment(moving, "/promote sales v2", by="bea")
        line = (await change(stages, demo("v1")))[CONFIG_FILE].decode().splitlines()
        number = next(n for n, text in enumerate(line, 1) if "release: v1" in text)
        await stages.comment_with(moving, "⛔", f"sales is pinned to v1 in .greenroom.yml, line {number}")
        await stages.merge(moving, "merge")
        comment = await stages.comment_with(moving, "✅ Release", "**sales**", "pins sales to v2")
        assert all(digest in comment for digest in seen), "what reviewers saw, not a build of its own"
        assert await stages.digests("sales") == seen
        assert (await stages.page("sales")).text == "Late autumn."
        asked = [
            (entry.actor, entry.reason)
            for entry in await stages.audit("sales")
            if entry.action == "requested"
        ]
        assert [actor for actor, _ in asked] == ["ada", "ada"]
        assert all(".greenroom.yml of " in reason for _, reason in asked)


@pytest.mark.fault
async def test_demo_moved_by_command_keeps_its_data(scenario: Scenario) -> None:
    async with staged(scenario, "") as stages:
        plain = scenario.files()
        pinless = plain[CONFIG_FILE] + b"\ndemo:\n  training: {}\n"
        await scenario.push("main", {**plain, CONFIG_FILE: pinless})
        first = await scenario.open("one", scenario.files("spring"))
        await scenario.wait_until_ready(first)
        await stages.comment(first, "/promote training", by="dora")
        await stages.comment_with(first, "🚫", "requires the role `write`")
        await stages.comment(first, "/promote training", by="bea")
        await stages.comment_with(first, "✅ Release", "**training**")
        page = await stages.page("training")
        assert "seeded once" in page.text
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = page.request.url.copy_with(path="/notes"), {"Host": page.request.headers["Host"]}
            written = await client.post(url, data={"text": "Shown to Umbrella."}, headers=headers)
            assert written.status_code == 303

        second = await scenario.open("two", scenario.files("autumn"))
        await scenario.wait_until_ready(second)
        await stages.comment(second, "/promote training")
        await stages.comment_with(second, "✅ Release", "**training**")
        shown = (await stages.page("training")).text
        assert "Shown to Umbrella." in shown
        assert "seeded once" in shown
        await stages.comment(second, "/rollback training", by="bea")
        await stages.comment_with(second, "↩️", "rolled **training** back")
        assert "Shown to Umbrella." in (await stages.page("training")).text

        await scenario.close(first)
        await scenario.close(second)
        await stages.scenario.comment_with(first, "The preview was deleted")
        assert (await stages.page("training")).status_code == 200


@pytest.mark.fault
async def test_operator_manages_demos_on_the_command_line(small: Scenario) -> None:
    async with staged(small, f"{STAGES}demo:\n  sales: {{}}\n") as stages:
        number = await small.open("one", await stages.files("One."))
        await small.wait_until_ready(number)
        code, shown = await stages.greenroom("promote", small.repository, "sales", "--pull", str(number))
        assert code == 0, shown
        await stages.comment_with(number, "✅ Release", "**sales**")
        tagged = await stages.tag("v1")
        code, shown = await stages.greenroom("promote", small.repository, "sales", "--release", "v1")
        assert code == 0, shown
        await stages.verified("sales", tagged)
        code, shown = await stages.greenroom("stage", "show", small.repository, "sales")
        assert code == 0
        assert "Demo, moved by commands." in shown
        code, shown = await stages.greenroom("stage", "list", small.repository)
        assert [line.split()[1:3] for line in shown.splitlines()[1:]] == [["sales", "demo"]]
        code, shown = await stages.greenroom("rollback", small.repository, "sales")
        assert code == 0
        newest = (await stages.promotions("sales"))[0]
        assert newest.requested_by.endswith("@command-line")
        await stages.deployed("sales", "inactive", "inactive", "success")

        code, shown = await stages.greenroom("stage", "remove", small.repository, "sales", "--yes")
        assert (code, "remove it from .greenroom.yml on the default branch first" in shown) == (1, True)
        await small.push("main", await change(stages, STAGES))
        code, shown = await stages.greenroom("stage", "remove", small.repository, "sales", "--yes")
        assert code == 0, shown
        await stages.leaves("sales")
        await stages.deployed("sales", "inactive", "inactive", "inactive")


async def test_pinned_demo_waits_for_its_tag(small: Scenario) -> None:
    async with staged(small, STAGES) as stages:
        head = stages.head()
        await small.push("main", await change(stages, demo("v9")))
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/status sales")
        await stages.comment_with(number, "not possible now: there is no release, tag or commit v9")
        await stages.tag("v9", at=head)
        await stages.verified("sales", head)
        assert [promotion.state for promotion in await stages.promotions("sales")] == [State.SUCCEEDED]
