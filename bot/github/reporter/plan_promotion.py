"""Plans the writes that update comment and Deployment to a promotion. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.github.messages import promotion as texts
from bot.github.reporter.pending_writes import COMMENT, Receipt, Slot, WriteKind
from bot.github.reporter.subject import MAX_COMMENTS, Subject, Write, outdated
from bot.model.promotion import Promotion, PromotionKind, PromotionState
from bot.model.pull_request import PullRequest

_DEPLOYED: Mapping[PromotionState, str] = {
    PromotionState.DEPLOYING: "IN_PROGRESS",
    PromotionState.ROLLING_OUT: "IN_PROGRESS",
    PromotionState.VERIFYING: "IN_PROGRESS",
    PromotionState.SOAKING: "IN_PROGRESS",
    PromotionState.SUCCEEDED: "SUCCESS",
    PromotionState.FAILED: "FAILURE",
    PromotionState.ROLLED_BACK: "FAILURE",
    PromotionState.ROLLBACK_FAILED: "ERROR",
    PromotionState.ABORTED: "INACTIVE",
    PromotionState.SUPERSEDED: "INACTIVE",
}
"""Deployment state by promotion state; in the others the stage was not changed yet."""


def promotion_subject(promotion: Promotion, pull: PullRequest | None, public_url: str) -> Subject:
    stage = promotion.stage.name
    release = promotion.release.id if promotion.release is not None else "a release"
    return Subject(
        name=f"promotion/{promotion.id}",
        repository=promotion.repository if pull is None else pull.repository,
        pull=pull,
        page=f"{public_url.rstrip('/')}/environments/{promotion.stage}",
        deployment_environment=stage,
        deployment_description=f"Release {release} on {stage}",
        transient=False,
    )


def plan_promotion(subject: Subject, promotion: Promotion, receipt: Receipt) -> Sequence[Write]:
    """The writes that are needed; empty when GitHub is up to date."""
    return outdated(
        [*_deployment(subject, promotion, receipt), *_comment(subject, promotion, receipt)], receipt
    )


def _deployment(subject: Subject, promotion: Promotion, receipt: Receipt) -> list[Write]:
    state = _state(promotion)
    if promotion.release is None or state is None:
        return []
    slot = Slot(WriteKind.DEPLOYMENT, promotion.release.commit)
    if slot not in receipt.entries and state == "INACTIVE":
        return []
    fields = {
        "state": state,
        "description": texts.deployment(promotion),
        "logUrl": subject.page,
        # GitHub sets the previous Deployment of the stage to inactive when this one succeeds.
        "autoInactive": True,
    }
    if promotion.address is not None:
        fields["environmentUrl"] = promotion.address
    return [Write(slot, fields, open=state != "INACTIVE", url=promotion.address or "")]


def _state(promotion: Promotion) -> str | None:
    if promotion.removed_by or promotion.successor is not None:
        return "INACTIVE"
    if promotion.kind is PromotionKind.ROLLBACK:
        return {
            PromotionState.ROLLING_BACK: "IN_PROGRESS",
            PromotionState.ROLLED_BACK: "SUCCESS",
            PromotionState.ROLLBACK_FAILED: "FAILURE",
        }.get(promotion.state)
    return _DEPLOYED.get(promotion.state)


def _comment(subject: Subject, promotion: Promotion, receipt: Receipt) -> list[Write]:
    if subject.pull is None or (COMMENT not in receipt.entries and receipt.deleted_comments >= MAX_COMMENTS):
        return []
    body = "\n\n".join([texts.comment(promotion), subject.marker])
    return [Write(COMMENT, {"body": body}, open=True)]
