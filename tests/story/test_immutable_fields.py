"""Commits that change an immutable field of an object that runs."""

from __future__ import annotations

import asyncio

from bot.cluster.client.kinds import DEPLOYMENT
from tests.story.conftest import Scenario, real_only
from tests.story.stages import staged


def relabelled(files: dict[str, bytes]) -> dict[str, bytes]:
    """The manifests with another selector of the Deployment."""
    labels = b"{app: hello, tier: web}"
    path = next(path for path, text in files.items() if b"matchLabels: {app: hello}" in text)
    text = files[path].replace(b"matchLabels: {app: hello}", b"matchLabels: " + labels)
    return {**files, path: text.replace(b"labels: {app: hello}", b"labels: " + labels)}


@real_only
async def test_changed_selector_replaces_the_object_where_allowed(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✅ Release", "is verified on **staging**")

        await small.push("one", relabelled(small.hello("Two.")))
        await small.wait_until_ready(number)
        assert (await small.page(number)).text == "Two."
        deployment = await small.world.client.get(DEPLOYMENT, "hello", small.namespace(number))
        assert deployment["spec"]["selector"]["matchLabels"]["tier"] == "web"

        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "↩️ Rolled **staging** back", "spec.selector", "/replace staging")
        assert (await stages.page("staging")).text == "One."

        await stages.comment(number, "/replace staging", by="bea")
        await stages.comment_with(number, "requires the role `maintain`")
        github = small.world.github
        await asyncio.to_thread(github.repositories.set_role, small.repository, "bea", "maintain")
        await stages.comment(number, "/replace staging", by="bea")
        await stages.comment_with(number, "was verified on **staging**; replaced by release")
        assert (await stages.page("staging")).text == "Two."
