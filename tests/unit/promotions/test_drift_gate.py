"""A promotion to a stage that has drifted has a warning, or waits if configured; a rollback never waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.github.messages.gate_reasons import gate_reason
from bot.model.drift import DriftRecord
from bot.model.promotion import Promotion, PromotionKind
from bot.promotions.gates.case import GateInput
from bot.promotions.gates.stage import drift
from bot.promotions.pipeline import stage_in
from tests.unit.github.drifts import CLEAN, DRIFTED, SUSPECTED, UNKNOWN
from tests.unit.promotions.stage_fixtures import NOW, aggregate, facts, promotion, release

PIPELINE = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
stages:
  integration: {drift: POLICY}
"""


def decided(record: DriftRecord | None, policy: str, kind: PromotionKind = PromotionKind.PROMOTION):
    text = PIPELINE.replace("POLICY", policy)
    asked: Promotion = replace(promotion("integration", "ada"), kind=kind)
    seen = facts(release(), text=text, drift=record)
    return drift(GateInput(aggregate(), asked, release(), stage_in(text, "integration"), seen, NOW))


BLOCK = "{promotions: block}"


@pytest.mark.parametrize(
    ("record", "policy", "passes", "expected"),
    [
        (None, BLOCK, True, ""),
        (CLEAN, BLOCK, True, ""),
        (SUSPECTED, BLOCK, True, ""),
        (DRIFTED, "alert", True, "integration has drifted"),
        (DRIFTED, "heal", True, "integration has drifted"),
        (DRIFTED, BLOCK, False, "integration has drifted"),
        (DRIFTED, "{action: ignore, promotions: block}", True, ""),
        (UNKNOWN, "alert", True, ""),
        (UNKNOWN, BLOCK, False, "it is not known whether integration has drifted"),
    ],
)
def test_gate(record: DriftRecord | None, policy: str, passes: bool, expected: str):
    verdict = decided(record, policy)
    assert (verdict.passed, verdict.final) == (passes, False)
    text = gate_reason(verdict.reason) if verdict.reason is not None else ""
    assert text.startswith(expected)
    assert bool(text) == bool(expected)


def test_rollback_never_waits():
    verdict = decided(DRIFTED, BLOCK, PromotionKind.ROLLBACK)
    assert verdict.passed
    assert verdict.reason is not None
