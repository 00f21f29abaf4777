"""The rules of a GitHub Environment apply to promotions to the stage of that name."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bot.embedded.github.errors import GitHubError
from bot.model.promotion import PromotionState as State
from tests.story.conftest import Scenario, embedded_only
from tests.story.stages import Stages, staged

pytestmark = [pytest.mark.long, embedded_only]

PIPELINE = "\nstages:\n  production: {}\n"


async def _protect(stages: Stages, **rules: object) -> None:
    """Sets rules of the GitHub Environment."""
    scenario = stages.scenario
    protect = scenario.github.environments.protect
    await asyncio.to_thread(protect, scenario.repository, "production", **rules)  # type: ignore[arg-type]  # its rules


async def test_environment_reviewer_approves(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        github = small.github
        await asyncio.to_thread(github.accounts.create_team, small.organization, "ops", ("cem",))
        with contextlib.suppress(GitHubError):
            await asyncio.to_thread(github.accounts.create_user, "eve")
        await asyncio.to_thread(github.repositories.set_role, small.repository, "eve", "write")
        await _protect(stages, people=("dora",), teams=("ops",))
        number = await small.open("spring", small.hello("Spring."))
        await small.wait_until_ready(number)

        await stages.comment(number, "/promote production", by="bea")
        comment = await stages.comment_with(number, "✋ Release", "/approve production")
        assert "requires approval from dora or a member of ops" in comment
        await stages.comment(number, "/approve", by="eve")
        await stages.comment_with(number, "does not count as an approval", "from dora or a member of ops")
        assert (await stages.record("production")).target is None

        await stages.comment(number, "/approve", by="cem")
        await stages.comment_with(number, "✅ Release", "Approved for the GitHub Environment production")
        assert (await stages.page("production")).text == "Spring."
        audit = [(entry.actor, entry.action) for entry in await stages.audit("production")]
        assert ("", "protection") in audit
        assert ("cem", "approved") in audit


async def test_promotion_waits_while_the_environment_cannot_be_read(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        number = await small.open("spring", small.hello("Spring."))
        await small.wait_until_ready(number)
        path = f"/repos/{small.repository}/environments/production$"
        faults = small.github.faults
        faults.add("error", status=403, path=path)
        try:
            await stages.comment(number, "/promote production", by="bea")
            await stages.comment_with(number, "🚦", "the GitHub Environment production cannot be read")
            await stages.comment(number, "/approve", by="cem")
            await stages.comment_with(number, "which may name the approvers, cannot be read")
            assert (await stages.record("production")).target is None
        finally:
            faults.clear()
        # A push to the configuration makes the bot look at once; otherwise it does so every minute.
        await stages.configure(f"{PIPELINE}# As before.\n")
        await stages.comment_with(number, "✅ Release", "**production**")


async def test_environment_branch_rule_refuses_an_unmerged_release(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        await _protect(stages, branches=("main",))
        number = await small.open("feature", await stages.files("Ours."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "⛔", "the branch main only; this release is on feature")
        await stages.merge(number, "squash")
        await small.comment_with(number, "was merged")
        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "✅ Release", "**production**")
        states = [promotion.state for promotion in await stages.promotions("production")]
        assert states == [State.SUCCEEDED, State.REJECTED]


async def test_environment_wait_timer_delays_the_promotion(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        await _protect(stages, wait_minutes=1440)
        number = await small.open("spring", small.hello("Spring."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "⏳ Release", "requires a wait until", "UTC")
        [promotion] = await stages.promotions("production")
        await _protect(stages)
        await stages.configure(f"{PIPELINE}# As before.\n")
        await stages.comment_with(number, "✅ Release", "**production**")
        rules = [entry.after for entry in await stages.audit("production") if entry.action == "protection"]
        assert rules == ["a wait of 1d", "nothing"]
        assert promotion.state is State.QUEUED
