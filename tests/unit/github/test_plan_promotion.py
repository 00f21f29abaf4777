"""Planned reports about a promotion."""

from __future__ import annotations

from dataclasses import replace

from bot.github.reporter.pending_writes import Receipt, WriteKind
from bot.github.reporter.plan_promotion import plan_promotion, promotion_subject
from bot.model.promotion import Promotion, PromotionState
from tests.unit.github.promotions import PROMOTIONS

SUCCEEDED = PROMOTIONS["succeeded"]


def address(promotion: Promotion) -> object:
    """Address of the Deployment."""
    subject = promotion_subject(promotion, None, "https://greenroom.example.com")
    [write] = [
        write
        for write in plan_promotion(subject, promotion, Receipt())
        if write.slot.kind is WriteKind.DEPLOYMENT
    ]
    return write.fields.get("environmentUrl")


def test_deployment_has_no_url_after_its_stage_was_deleted() -> None:
    assert address(SUCCEEDED) == SUCCEEDED.url
    ephemeral = replace(SUCCEEDED, ephemeral=True)
    assert address(ephemeral) is None
    assert address(replace(ephemeral, state=PromotionState.VERIFYING)) == SUCCEEDED.url
