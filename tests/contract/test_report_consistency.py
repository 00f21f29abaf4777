"""Texts on GitHub never contradict the state, after each change of an environment or a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from bot.embedded.github import GitHubServer
from bot.environments.ports import SaveReceipt
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentState,
    Status,
    StatusMessage,
)
from bot.model.promotion import Promotion, StageRecord
from bot.model.promotion import PromotionState as State
from bot.model.release import PromotableRelease
from bot.promotions import stage_actions
from bot.promotions.facts import RolloutProgress
from bot.promotions.stage_aggregate import StageAggregate
from tests.contract.github_harness import FILES, URL, GitHubHarness, pending, ready
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    promotion,
    release,
)

PREVIEW = "greenroom/preview"
SMOKE = CheckResult("smoke", CheckState.FAILED, "It is down.")


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        push(server, "1")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


def push(server: GitHubServer, text: str) -> str:
    server.repositories.push("acme/shop", "price", {"price.txt": text}, by="ben")
    return server.world.repository("acme/shop").branches["price"]


async def test_closed_preview_is_ready_nowhere(harness: GitHubHarness) -> None:
    old = await harness.pull()
    await harness.report(old, ready(old.head_sha))
    push(harness.github, "2")
    new = await harness.pull()
    await harness.report(new, pending(new.head_sha, old.head_sha))
    await harness.report(new, ready(new.head_sha))
    assert title(harness, old.head_sha) == "Replaced by a newer commit"
    red = replace(ready(new.head_sha, (SMOKE,)), state=EnvironmentState.CHECKS_FAILED)
    await harness.report(new, red)
    assert title(harness, new.head_sha) == "Failed checks: smoke"
    assert harness.checks(new.head_sha) == {PREVIEW: "failure", "greenroom/smoke": "failure"}
    assert harness.deployments == [(old.head_sha, "inactive"), (new.head_sha, "failure")]
    merged = StatusMessage("The pull request was merged.")
    await harness.report(
        new, Status(EnvironmentState.GONE, commit=new.head_sha, end=EndReason.MERGED, cause=merged)
    )
    assert title(harness, new.head_sha) == "Deleted: the pull request was merged"
    assert harness.checks(old.head_sha) == {PREVIEW: "success"}
    assert harness.checks(new.head_sha)[PREVIEW] == "failure"
    assert harness.deployments == [(old.head_sha, "inactive"), (new.head_sha, "inactive")]
    runs = [
        run for sha in (old.head_sha, new.head_sha) for run in harness.github.checks.runs("acme/shop", sha)
    ]
    assert not any(URL in f"{run.output.title} {run.output.summary}" for run in runs)


def title(harness: GitHubHarness, sha: str) -> str | None:
    [run] = harness.github.checks.runs("acme/shop", sha, PREVIEW)
    return run.output.title


@dataclass
class Stage(Stages):
    """A stage whose promotions are reported on GitHub after each change."""

    harness: GitHubHarness = field(kw_only=True)
    receipts: dict[str, str] = field(default_factory=dict)
    reported: dict[str, Promotion] = field(default_factory=dict)

    async def report(self) -> None:
        """Processes each changed promotion in the order of their requests, like the store."""
        pull = await self.harness.pull()
        promotions = self.aggregate("integration").promotions.values()
        for subject in sorted(promotions, key=lambda promotion: promotion.requested_at):
            if self.reported.get(subject.id) != subject:
                await self.harness.app.reporter.report_promotion(
                    subject,
                    pull,
                    self.receipts.get(subject.id, ""),
                    self.harness.fence,
                    self.save(subject.id),
                )
                self.reported[subject.id] = subject

    def save(self, id: str) -> SaveReceipt:
        async def keep(receipt: str) -> None:
            self.receipts[id] = receipt

        return keep

    async def promote(self, id: str, about: PromotableRelease, progress: RolloutProgress = VERIFIED) -> None:
        self.later(minutes=1)
        self.request("integration", id=id)
        await self.report()
        for seen in (UNDER_WAY, progress, VERIFIED):
            if self.state("integration", id) in (State.SUCCEEDED, State.ROLLED_BACK):
                break
            self.step("integration", facts(about, progress=seen), id)
            await self.report()
            self.check()

    async def roll_back(self, id: str) -> None:
        self.later(minutes=1)
        requested = promotion("integration", "grace", id, self.now)
        self.aggregates["integration"] = stage_actions.begin_rollback(
            self.aggregate("integration"), requested, self.now
        )
        await self.report()
        self.check()
        self.step("integration", facts(progress=VERIFIED), id)
        await self.report()
        self.check()

    def check(self) -> None:
        record, github = self.aggregate("integration").stage, self.harness.github
        target = record.target
        assert target is not None
        claims = [body for body in self.harness.comments if " is verified on " in body]
        verified = {entry.target.release.id for entry in record.verified}
        assert all(any(id in body.split("\n")[0] for id in verified) for body in claims)
        active = [item.sha for item in github.deployments.of("acme/shop") if item.state == "success"]
        if record.active_promotion is None:
            assert all(target.release.id in body.split("\n")[0] for body in claims)
            assert len(claims) <= 1
            assert active == [target.release.commit]


@pytest.mark.long
async def test_texts_about_a_stage_agree_with_what_it_runs(harness: GitHubHarness) -> None:
    commits = [push(harness.github, text) for text in "234"]
    a, b, c = (replace(release(letter), commit=sha) for letter, sha in zip("abc", commits, strict=True))
    stage = Stage(harness=harness)
    stage.aggregates["integration"] = StageAggregate(
        StageRecord(promotion().stage, harness.repository), describe=describe
    )
    await stage.promote("p1", a)
    await stage.promote("p2", b)
    await stage.promote("p3", c, BROKEN)
    await stage.roll_back("p4")
    await stage.promote("p5", c)


async def test_killed_last_report_of_a_promotion_is_made_again(harness: GitHubHarness) -> None:
    """It only updates, so nothing is stored before it is sent."""
    stage = Stage(harness=harness)
    stage.aggregates["integration"] = StageAggregate(
        StageRecord(promotion().stage, harness.repository), describe=describe
    )
    about = replace(release("a"), commit=push(harness.github, "2"))
    stage.request("integration", id="p1")
    stage.step("integration", facts(about, progress=UNDER_WAY), "p1")
    await stage.report()
    stage.step("integration", facts(about, progress=VERIFIED), "p1")
    ended, saved = stage.aggregate("integration").promotions["p1"], list[str]()

    async def save(receipt: str) -> None:
        assert any(" is verified on " in body for body in harness.comments), "it was sent before"
        saved.append(receipt)

    for _ in range(2):  # the first run is killed before the receipt is stored
        pull, receipt = await harness.pull(), stage.receipts["p1"]
        await harness.app.reporter.report_promotion(ended, pull, receipt, harness.fence, save, ends=True)
    assert len(saved) == 2
    assert len(harness.comments) == 1
    assert [item.state for item in harness.github.deployments.of("acme/shop")] == ["success"]
