"""What can happen to a promotion, for the snapshots of what people then read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.github.messages.parity import mismatch_reason
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import CheckResult, CheckState, EnvironmentKey
from bot.model.parity import Category, Comparison, Difference
from bot.model.plan import PlannedChange, PlanSummary
from bot.model.promotion import Approval, GateResult, Promotion, PromotionKind, PromotionState, TimelineEntry
from bot.model.release import Image, Origin, PromotableRelease, Target
from bot.model.repository import Repository
from bot.model.rollout import Counts, Decision, Grade, Progress, RolloutReport, StepResult, Strategy
from bot.promotions.reasons import ServiceUnavailable
from tests.unit.github.previews import HOSTILE, LOG, NEW, NOW, OLD

SHOP = Repository(731420118, 20, "acme", "shop")
RELEASE = PromotableRelease(
    SHOP.id,
    NEW,
    {
        "shop": Image("ghcr.io/acme/shop", "sha256:" + "1a2b" * 16),
        "worker": Image("ghcr.io/acme/worker", "sha256:" + "9f8e" * 16),
    },
    "sha256:" + "77" * 32,
    Origin.PREVIEW,
    7,
    False,
    NOW,
    "3f" * 20,
)
BEFORE = replace(RELEASE, commit=OLD, images={"shop": Image("ghcr.io/acme/shop", "sha256:" + "3c4d" * 16)})
_STABLE = Counts(11_400, 112, {"0.1": 11_000, "0.3": 11_390, "+Inf": 11_400})
CANARY = RolloutReport(
    Strategy.CANARY,
    (5, 25, 100),
    Progress.STEPPING,
    25,
    (
        StepResult(5, NOW, 5, _STABLE, Counts(600, 6, {"0.1": 590}), Grade.GOOD, Decision.ADVANCE),
        StepResult(25, NOW, 1, _STABLE, Counts(3_800, 90, {"0.1": 3_790}), Grade.WORSE),
    ),
)
ASKED = Promotion(
    id="c0ffee1234",
    stage=EnvironmentKey.stage(SHOP.id, "production"),
    repository=SHOP,
    kind=PromotionKind.PROMOTION,
    state=PromotionState.REQUESTED,
    requested_by="ada",
    requested_at=NOW,
    since=NOW,
    deadline=NOW + timedelta(minutes=30),
    number=7,
    head=NEW,
    timeline=(TimelineEntry(NOW, "Promotion to production requested", "ada"),),
)
GATING = replace(
    ASKED,
    state=PromotionState.GATING,
    release=RELEASE,
    gates=(
        GateResult("after", True),
        GateResult("checks", False, "waiting for the checks build"),
        GateResult("freeze", False, "frozen until 30 November, 08:00 Europe/Berlin (on-call handover)"),
    ),
)
AWAITING = replace(
    GATING,
    state=PromotionState.AWAITING_APPROVAL,
    gates=(),
    configuration_digest="d2",
    missing=("1 of 2 approvals by the team ops",),
    approvals=(Approval("bea", NOW, RELEASE.id, "d2"), Approval("cem", NOW, RELEASE.id, "d1")),
    timeline=(
        *ASKED.timeline,
        TimelineEntry(NOW, "Awaiting approval"),
        TimelineEntry(NOW, "Approved, 1 of 2", "bea"),
    ),
)
PROTECTED = replace(
    AWAITING,
    missing=("the GitHub Environment production requires approval from dora or a member of ops",),
    gates=(
        GateResult(
            "wait", False, "the GitHub Environment production requires a wait until 30 November, 09:00 UTC"
        ),
    ),
    timeline=(
        *ASKED.timeline,
        TimelineEntry(
            NOW,
            "The GitHub Environment production requires approval from dora or a member of ops, a wait of 1d",
        ),
        TimelineEntry(NOW, "Awaiting approval"),
    ),
)
RUNNING = replace(
    AWAITING, state=PromotionState.DEPLOYING, url="https://production-shop-k2x9f1.preview.example.com"
)
FAILED = replace(
    RUNNING,
    state=PromotionState.ROLLED_BACK,
    reason="the check smoke failed: the Job ended with 1",
    detail=LOG,
    checks=(CheckResult("http-healthz", CheckState.PASSED), CheckResult("smoke", CheckState.FAILED)),
    placed_hold=True,
    rollback_target=Target(BEFORE, "version: 1", 4),
)
_POD = "spec.template.spec.containers[shop]"
DIFFERENCES = (
    Difference("", "config and secrets", "STRIPE_KEY", "in secrets", None, Category.VARIABLE),
    Difference("Deployment", "shop", f"{_POD}.image", "shop:1", "shop:2", Category.IMAGE),
    Difference("Deployment", "worker", "", "the whole object", None, Category.OBJECT),
)
DIFFERS = Comparison("staging", "production", DIFFERENCES)
MANY = tuple(replace(DIFFERENCES[0], path=f"VARIABLE_{number:02}") for number in range(40))
UNKNOWN = Comparison("security", "production", unknown="There is no manifest in `deploy/` of this commit")
NOT_ALIKE = GateResult("parity", False, mismatch_reason(DIFFERS), final=True)
PINNED = replace(
    RUNNING,
    stage=EnvironmentKey.demo(SHOP.id, "sales"),
    note=".greenroom.yml of 0d1e2f3 pins sales to v2.3.47, and the tag v2.3.47 names 4a5b6c7",
    pinned=True,
    url="https://sales-shop-k2x9f1-demo.preview.example.com",
    timeline=(TimelineEntry(NOW, "Promotion to sales requested", "ada"),),
)
BACK = replace(RUNNING, kind=PromotionKind.ROLLBACK, placed_hold=True)

DESTRUCTIVE = PlanSummary(created=("db.new",), replaced=('db.zone["@here"]',), destroyed=("db.old",))
PROMOTIONS: Mapping[str, Promotion] = {
    "requested": ASKED,
    "requested-while-the-registry-is-unavailable": replace(
        ASKED,
        waiting_for=describe(
            ServiceUnavailable("the registry ghcr.io cannot be reached: it does not answer")
        ),
    ),
    "gating": GATING,
    "awaiting-approval": AWAITING,
    "behind-the-stage": replace(
        AWAITING,
        gates=(
            GateResult(
                "behind",
                True,
                "this release is 2 commits behind 4a5b6c7, which it replaces on production: "
                "update the branch, unless production should lose their changes",
            ),
        ),
    ),
    "awaiting-approval-of-a-plan": replace(
        AWAITING,
        plan=PlannedChange("0123456789abcdef", DESTRUCTIVE, needs_approval=True),
        missing=("needs 1 approval within 24 hours",),
    ),
    "awaiting-approval-of-a-plan-during-the-deployment": replace(
        RUNNING,
        plan=PlannedChange("0123456789abcdef", PlanSummary(updated=("db.main",)), needs_approval=True),
        waiting_for="The Terraform plan is not the approved one",
    ),
    "awaiting-a-reviewer-of-the-environment": PROTECTED,
    "queued-and-paused": replace(AWAITING, state=PromotionState.QUEUED, paused_by="cem"),
    "deploying": RUNNING,
    "rolling-out": replace(RUNNING, state=PromotionState.ROLLING_OUT, rollout=CANARY),
    "rolling-out-and-paused-automatically": replace(
        RUNNING,
        state=PromotionState.ROLLING_OUT,
        rollout=replace(CANARY, paused="The metrics provider did not answer 4 times in a row: @here"),
    ),
    "deploying-with-a-reason": replace(RUNNING, waiting_for="Deployment shop: 0 of 2 pods are ready @here"),
    "verifying": replace(
        RUNNING, state=PromotionState.VERIFYING, checks=(CheckResult("smoke", CheckState.RUNNING),)
    ),
    "soaking": replace(RUNNING, state=PromotionState.SOAKING),
    "succeeded": replace(RUNNING, state=PromotionState.SUCCEEDED),
    "succeeded-on-an-ephemeral-stage": replace(RUNNING, state=PromotionState.SUCCEEDED, ephemeral=True),
    "succeeded-with-the-default-branchs-build": replace(
        RUNNING,
        state=PromotionState.SUCCEEDED,
        requested_by="",
        note="merging changed the content (tree 3f3f3f3 became 0a1b2c3), so it is main's own build of 99aa88",
    ),
    "succeeded-as-pinned": replace(PINNED, state=PromotionState.SUCCEEDED),
    "succeeded-and-deleted": replace(PINNED, state=PromotionState.SUCCEEDED, removed_by="op@command-line"),
    "rolled-back-as-pinned": replace(
        PINNED,
        state=PromotionState.ROLLED_BACK,
        placed_hold=True,
        reason=FAILED.reason,
        rollback_target=FAILED.rollback_target,
    ),
    "rejected": replace(ASKED, state=PromotionState.REJECTED, reason="there is no stage producton"),
    "rejected-with-hostile-words": replace(GATING, state=PromotionState.REJECTED, reason=HOSTILE),
    "rejected-for-differences": replace(
        GATING,
        state=PromotionState.REJECTED,
        reason=mismatch_reason(DIFFERS),
        gates=(NOT_ALIKE,),
        parity=(DIFFERS,),
    ),
    "rejected-for-many-differences": replace(
        GATING,
        state=PromotionState.REJECTED,
        reason=mismatch_reason(Comparison("staging", "production", MANY, 102)),
        gates=(NOT_ALIKE,),
        parity=(Comparison("staging", "production", MANY, 102),),
    ),
    "deploying-with-warnings": replace(
        RUNNING, parity=(Comparison("integration", "production"), DIFFERS, UNKNOWN)
    ),
    "succeeded-with-hostile-differences": replace(
        RUNNING,
        state=PromotionState.SUCCEEDED,
        parity=(
            Comparison(
                "staging",
                "production",
                (replace(DIFFERENCES[1], name=HOSTILE, path=HOSTILE, left=HOSTILE, right=f"```\n{HOSTILE}"),),
            ),
        ),
    ),
    "expired": replace(GATING, state=PromotionState.EXPIRED, reason="requirements were not met in time"),
    "superseded": replace(AWAITING, state=PromotionState.SUPERSEDED, reason="a newer release came"),
    "aborted": replace(AWAITING, state=PromotionState.ABORTED, reason="bea aborted it: wrong one"),
    "aborted-without-a-rollback-target": replace(
        RUNNING,
        state=PromotionState.ABORTED,
        reason="bea aborted it: wrong one; there is nothing to go back to, so production keeps what runs "
        "there",
        placed_hold=True,
    ),
    "failed": replace(FAILED, state=PromotionState.FAILED, rollback_target=None),
    "failed-on-an-ephemeral-stage": replace(
        FAILED, state=PromotionState.FAILED, rollback_target=None, placed_hold=False, ephemeral=True
    ),
    "rolling-back": replace(FAILED, state=PromotionState.ROLLING_BACK),
    "rolled-back": FAILED,
    "rollback-failed": replace(FAILED, state=PromotionState.ROLLBACK_FAILED),
    "rollback": replace(BACK, state=PromotionState.ROLLED_BACK),
    "rollback-in-progress": replace(BACK, state=PromotionState.ROLLING_BACK),
    "rollback-with-current-secrets": replace(
        BACK, state=PromotionState.ROLLED_BACK, current_secrets=("MAIL_PASSWORD", "STRIPE_KEY")
    ),
}
