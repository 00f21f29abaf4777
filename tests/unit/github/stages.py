"""A pipeline with activity, for the snapshots of `/status` and `/why`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.github.messages.parity import mismatch_reason
from bot.model.environment import (
    Attempt,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.promotion import (
    Approval,
    AuditEntry,
    GateResult,
    Hold,
    Lock,
    Pin,
    Promotion,
    PromotionState,
    StageRecord,
    TimelineEntry,
    VerifiedTarget,
)
from bot.model.release import Image, PromotableRelease, Target
from bot.promotions.refusals import ConfigurationUnusable
from bot.promotions.view_builder import stage_view
from bot.promotions.views import PipelineView, StageView
from tests.unit.github.previews import HOSTILE, NOW, OLD
from tests.unit.github.promotions import ASKED, DIFFERS, FAILED, RELEASE, SHOP

PIPELINE = """
version: 1
images: {shop: ghcr.io/acme/shop, worker: ghcr.io/acme/worker}
manifests: {plain: deploy/}
stages:
  integration: {}
  staging: {after: [integration]}
  production: {after: [staging], approvals: {count: 2, teams: [ops]}}
"""
OLDER = replace(RELEASE, commit=OLD, images={"shop": Image("ghcr.io/acme/shop", "sha256:" + "5c6d" * 16)})
_EARLIER = NOW - timedelta(days=3)


def _promotion(stage: str, **fields: object) -> Promotion:
    defaults: dict[str, object] = {"policy": PIPELINE, "configuration": PIPELINE, "number": 7, **fields}
    return replace(ASKED, stage=EnvironmentKey.stage(SHOP.id, stage), **defaults)  # type: ignore[arg-type]  # its fields


def _target(release: PromotableRelease, serial: int) -> Target:
    return Target(release, PIPELINE, serial)


AWAITING = _promotion(
    "production",
    state=PromotionState.AWAITING_APPROVAL,
    release=RELEASE,
    deadline=NOW + timedelta(hours=24),
    authors=("ada", "dora"),
    configuration_digest="d2",
    approvals=(Approval("bea", NOW, RELEASE.id, "d2", ("ops",)),),
    gates=(
        GateResult("after", True),
        GateResult("parity", True, mismatch_reason(DIFFERS)),
        GateResult("freeze", False, "frozen until 30 November, 08:00 Europe/Berlin (on-call handover)"),
    ),
    parity=(DIFFERS,),
    timeline=(
        TimelineEntry(NOW, "Promotion to production requested", "ada"),
        TimelineEntry(NOW, "Awaiting approval"),
        TimelineEntry(NOW, "Approved, 1 of 2", "bea"),
    ),
)
SOAKING = _promotion(
    "staging",
    id="5e11e12345",
    state=PromotionState.DEPLOYING,
    release=RELEASE,
    deadline=NOW + timedelta(hours=1),
)
GONE_BACK = replace(FAILED, id="badbad1234", policy=PIPELINE, requested_by="", number=9)


def _audit(stage: str) -> tuple[AuditEntry, ...]:
    def entry(actor: str, action: str, reason: str = "", before: str = "", after: str = "") -> AuditEntry:
        return AuditEntry(NOW, SHOP.id, stage, ASKED.id, actor, action, reason, before, after)

    return (
        entry("bea", "approved", "approved, 1 of 2", after=RELEASE.id),
        entry("", "awaiting approval", before="gating", after="awaiting approval"),
        entry("ada", "requested", after="requested"),
        entry("op@command-line", "unhold", HOSTILE, before="the check smoke failed"),
    )


def _environment(
    stage: str, state: EnvironmentState, live: PromotableRelease, cause: StatusMessage | None = None
) -> Environment:
    """`live` responds there; the URL is known when the desired release does."""
    key = EnvironmentKey.stage(SHOP.id, stage)
    url = f"https://{stage}-shop-k2x9f1.preview.example.com" if state is EnvironmentState.READY else None
    addresses = {"admin": url.replace("//", "//admin--")} if url and stage == "production" else {}
    status = Status(state, live_commit=live.commit, url=url, cause=cause, addresses=addresses)
    return Environment(key, SHOP, "ns", 1, 1, status, Attempt(), UserOverrides(), "", NOW, NOW)


INTEGRATION = stage_view(
    StageRecord(
        EnvironmentKey.stage(SHOP.id, "integration"),
        SHOP,
        target=_target(RELEASE, 2),
        since=NOW - timedelta(hours=2),
        verified=(
            VerifiedTarget(_target(OLDER, 1), "0ld0ld1234", _EARLIER),
            VerifiedTarget(_target(RELEASE, 2), "f1f1f1f1f1", NOW - timedelta(hours=1)),
        ),
    ),
    _environment("integration", EnvironmentState.READY, RELEASE),
    (),
    NOW,
)
STAGING = stage_view(
    StageRecord(
        EnvironmentKey.stage(SHOP.id, "staging"),
        SHOP,
        target=_target(RELEASE, 5),
        since=NOW,
        active_promotion=SOAKING.id,
        verified=(VerifiedTarget(_target(OLDER, 4), "0ld0ld1234", _EARLIER),),
        lock=Lock("bea", NOW, NOW + timedelta(hours=2), "load test | until noon"),
        hold=Hold("", _EARLIER, "release badbad123456 failed: the check smoke failed"),
    ),
    _environment(
        "staging", EnvironmentState.WAITING, OLDER, StatusMessage("Waiting for the image of `worker`.")
    ),
    (SOAKING,),
    NOW,
)
PRODUCTION = stage_view(
    StageRecord(
        EnvironmentKey.stage(SHOP.id, "production"),
        SHOP,
        target=_target(OLDER, 3),
        since=_EARLIER,
        verified=(VerifiedTarget(_target(OLDER, 3), "0ld0ld1234", _EARLIER),),
    ),
    _environment("production", EnvironmentState.READY, OLDER),
    (AWAITING,),
    NOW,
    promotions=(AWAITING, GONE_BACK),
    audit=_audit("production"),
)
UNTOUCHED = stage_view(StageRecord(EnvironmentKey.stage(SHOP.id, "security"), SHOP), None, (), NOW)
LEFT = replace(
    PRODUCTION,
    key=EnvironmentKey.stage(SHOP.id, "qa"),
    configured=False,
    waiting=(),
    hold=Hold(HOSTILE, NOW, HOSTILE),
)

DEMO = stage_view(
    StageRecord(
        EnvironmentKey.demo(SHOP.id, "sales"),
        SHOP,
        target=_target(OLDER, 3),
        since=_EARLIER,
        verified=(VerifiedTarget(_target(OLDER, 3), "0ld0ld1234", _EARLIER),),
        pin=Pin("v2.3.47", "d1", problem="there is no release, tag or commit v2.3.47"),
    ),
    _environment("sales", EnvironmentState.READY, OLDER),
    (),
    NOW,
)

ALL = PipelineView((INTEGRATION, UNTOUCHED, STAGING, PRODUCTION, LEFT), (RELEASE,))
UNREAD = PipelineView((PRODUCTION,), (), ConfigurationUnusable("GitHub is away.", has_errors=False))
FAILED_STAGE: StageView = replace(PRODUCTION, waiting=(), promotions=(GONE_BACK,))
