"""Drift of a stage, for the snapshots of its messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.model.drift import DriftAction, DriftKind, DriftRecord, Finding, Heal, Unreadable
from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository

NOW = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)
SHOP = Repository(10, 20, "acme", "shop")
CLEAN = DriftRecord(EnvironmentKey.stage(SHOP.id, "staging"), SHOP, "4.1", NOW)
DRIFTED = replace(
    CLEAN,
    since=NOW,
    action=DriftAction.HEAL,
    confirmed=(
        Finding(DriftKind.REMOVED, "NetworkPolicy/shop"),
        Finding(DriftKind.ADDED_OBJECT, "Service/backdoor", manager="kubectl-create", at=NOW),
        Finding(
            DriftKind.IMAGE,
            "Pod/shop-7d9",
            "spec.containers[shop].image",
            "ghcr.io/acme/shop@sha256:aaaa",
            "ghcr.io/acme/shop:debug",
        ),
        Finding(DriftKind.CHANGED, "Deployment/shop", "spec.replicas", "2", "5", "kubectl-edit", NOW),
        Finding(DriftKind.CHANGED, "Secret/db", "data.password", manager="`x` @team <b>", at=NOW),
        Finding(DriftKind.ADDED_FIELD, "Deployment/shop", "spec.template.spec.containers[debug]"),
    ),
    unreadable=(Unreadable("ConfigMap", "Kubernetes refused the list of configmaps"),),
    heals=(Heal(NOW, ("Deployment/shop",), "Kubernetes refused Service/shop: a field is immutable"),),
)
SUSPECTED = replace(CLEAN, suspected=DRIFTED.confirmed[:1])
UNKNOWN = replace(CLEAN, unreadable=DRIFTED.unreadable)
DRIFTS = {"found": DRIFTED, "gone": CLEAN, "suspected": SUSPECTED, "unknown": UNKNOWN}
